"""Which names of CSS and JavaScript the page's oldest browsers do not know.

`too_new.json` is made from MDN's browser-compat-data (CC0), an npm package:

    npm pack @mdn/browser-compat-data && tar xzf mdn-browser-compat-data-*.tgz
    python -m tests.support.browser_features package/data.json > tests/edge/web/too_new.json
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

OLDEST = {"chrome": 88.0, "firefox": 90.0, "safari": 15.4, "safari_ios": 15.4}
Feature = dict[str, Any]


def main() -> None:
    """Print the names that are too new, by where they stand."""
    data = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    css = data["css"]
    found = {
        "properties": too_new((name, each) for name, each in css["properties"].items()),
        "values": too_new(css_values(css["properties"])),
        "selectors": too_new((name, each) for name, each in css["selectors"].items()),
        "rules": too_new((name, each) for name, each in css["at-rules"].items()),
        "script": too_new(script_names(data["api"], data["javascript"]["builtins"])),
    }
    print(json.dumps({"browsers": OLDEST, **found}, indent=0))


def css_values(properties: Feature) -> Iterator[tuple[str, Feature]]:
    """The values of each property, as "display grid"."""
    for name, feature in properties.items():
        for value, each in feature.items():
            if value != "__compat":
                yield f"{name} {value}", each


def script_names(*parents: Feature) -> Iterator[tuple[str, Feature]]:
    """Globals, members by their name alone, and static members as "Promise.any"."""
    for parent in parents:
        for name, feature in parent.items():
            yield name, feature
            for member, each in feature.items():
                if member.endswith("_static"):
                    yield f"{name}.{member.removesuffix('_static')}", each
                elif member.isidentifier() and member != "__compat":
                    yield member, each


def too_new(features: Iterator[tuple[str, Feature]]) -> list[str]:
    """The names of which no meaning is old enough."""
    known: dict[str, bool] = defaultdict(bool)
    for name, feature in features:
        compatibility = feature.get("__compat")
        if compatibility and compatibility["status"]["standard_track"]:
            known[name] |= everywhere(compatibility["support"])
    return sorted(name for name, old in known.items() if not old)


def everywhere(support: Feature) -> bool:
    """Whether all of the oldest browsers have a feature, without prefix or flag."""
    return all(since(support.get(browser)) <= oldest for browser, oldest in OLDEST.items())


def since(statements: Any) -> float:
    """The version that brought a feature; infinite where none did."""
    latest = statements[0] if isinstance(statements, list) else statements or {}
    version = latest.get("version_added")
    if {"flags", "prefix", "alternative_name", "version_removed"} & set(latest):
        return float("inf")
    try:
        return float(str(version).lstrip("≤"))
    except ValueError:  # false, "preview", or not known
        return float("inf")


if __name__ == "__main__":
    main()
