"""What axe-core finds on a page that keeps people from using it."""

from __future__ import annotations

from typing import Literal

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")


def violations(page: Page, but: str = "") -> list[str]:
    """What breaks a rule of axe-core, best practices included, in the light and in the dark.

    Args:
        page: The page.
        but: The id of a rule that it must break.
    """
    found = []
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        rules = {but: {"enabled": False}} if but else {}
        for rule in Axe().run(page, options={"rules": rules}).response["violations"]:
            places = [", ".join(map(str, node["target"])) for node in rule["nodes"]]
            found.append(f"{scheme}: {rule['id']}: {'; '.join(places)}")
    return found
