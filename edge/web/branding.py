"""The shop's own look: its name, logo and accent."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from flask import Flask, Response, jsonify, request

from catalog.core.errors import SettingsError
from edge.web.colours import LIGHT_SURFACES, Accent, dark_accent, light_accent
from edge.web.page_settings import PageSettings
from edge.web.problems import ProblemError

ACCENT = "#1f5c57"  # --accent of tokens.css
LARGEST_LOGO = 1 << 18  # bytes
KINDS = (  # how the files begin, and their media types
    (b"\x89PNG\r\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"RIFF", "image/webp"),
    (b"<svg", "image/svg+xml"),
    (b"<?xml", "image/svg+xml"),
)


@dataclass(frozen=True)
class Appearance:
    """How the page looks, and what the device's own screen shows.

    Attributes:
        look: The shop's own look and language.
        kiosk: Whether the device's own screen offers visitors no way out of the page.
        show_address: Whether the device's own screen shows the page's address in the network.
        frame_ancestors: The sites that may show the page in a frame, as "https://shop.example".
    """

    look: PageSettings = field(default_factory=PageSettings)
    kiosk: bool = False
    show_address: bool = True
    frame_ancestors: tuple[str, ...] = ()


@dataclass(frozen=True)
class Logo:
    """A picture's bytes and media type."""

    content: bytes
    media_type: str


def read_logo(path: Path) -> Logo:
    """Read the shop's logo.

    Raises:
        SettingsError: It cannot be read, is too large, or is no picture that browsers show.
    """
    path = path.expanduser()
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_LOGO + 1)
    except OSError as error:
        raise SettingsError(f"[page] logo: {path} cannot be read: {error.strerror}") from error
    if len(content) > LARGEST_LOGO:
        raise SettingsError(
            f"[page] logo: {path} is larger than {LARGEST_LOGO // 1024} kB; make it smaller"
        )
    start = content.lstrip(b"\xef\xbb\xbf \t\r\n")
    for beginning, media_type in KINDS:
        if start.startswith(beginning):
            return Logo(content, media_type)
    raise SettingsError(f"[page] logo: {path} is no SVG, PNG, JPEG or WebP picture")


def add_branding(app: Flask, settings: PageSettings) -> None:
    """Serve the style sheet with the shop's accent, and its logo.

    Raises:
        SettingsError: The logo cannot be used.
    """
    sheet = accent_sheet(settings)
    logo = read_logo(settings.logo) if settings.logo is not None else None

    def theme() -> Response:
        return _cached(Response(sheet, content_type="text/css; charset=utf-8"))

    def shop_logo() -> Response:
        if logo is None:
            raise ProblemError(404, "No logo is set; see [page] logo in the settings.")
        return _cached(Response(logo.content, content_type=logo.media_type))

    def manifest() -> Response:
        return _cached(jsonify(web_manifest(settings, request.script_root)))

    app.add_url_rule("/manifest.webmanifest", view_func=manifest)
    app.add_url_rule("/theme.css", view_func=theme)
    app.add_url_rule("/logo", endpoint="logo", view_func=shop_logo)


def web_manifest(settings: PageSettings, root: str) -> dict[str, object]:
    """What a browser needs to install the page as an app of its own."""
    name = settings.name or "Visual search"
    return {
        "name": name,
        "short_name": name[:12].strip(),
        "id": f"{root}/",
        "start_url": f"{root}/",
        "scope": f"{root}/",
        "display": "standalone",
        "background_color": LIGHT_SURFACES[0],
        "theme_color": settings.accent or ACCENT,
        "icons": [{"src": f"{root}/static/icon.svg", "sizes": "any", "type": "image/svg+xml"}],
    }


def accent_sheet(settings: PageSettings) -> str:
    """A style sheet that puts the shop's accent in place of the page's; empty without one."""
    if not settings.accent:
        return ""
    light = light_accent(settings.accent)
    dark = dark_accent(settings.accent, settings.accent_dark)
    return (
        f":root {{ {_declarations(light)} }}\n"
        f"@media (prefers-color-scheme: dark) {{ :root {{ {_declarations(dark)} }} }}\n"
    )


def _declarations(accent: Accent) -> str:
    return (
        f"--accent: {accent.colour}; --accent-soft: {accent.soft}; --on-accent: {accent.text}; "
        f"--mark: {accent.colour};"
    )


def _cached(response: Response) -> Response:
    response.headers["Cache-Control"] = "no-cache"  # it changes with the settings
    return response
