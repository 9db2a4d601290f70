"""The page's scripts and style sheets use nothing that its oldest browsers lack."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import edge.web.app
from tests.support.browser_features import OLDEST

STATIC = Path(edge.web.app.__file__).with_name("static")
DOCS = Path(__file__).parents[3] / "docs" / "page.md"
TOO_NEW = json.loads(Path(__file__).with_name("too_new.json").read_text(encoding="utf-8"))

# Without these the page works, and looks nearly the same.
DISPENSABLE = {
    "wakeLock": "asked for first; without it the screen turns off as usual",
    "Segmenter": "without it a cut name may end inside a sign of several parts",
    "accent-color": "the browser's own colour of what is ticked",
    "aspectRatio": "the data has another member of this name; the property is old enough",
    "font": "the same: a canvas has had it from the start",
    "format": "the same: it has written dates in Intl from the start",
    "container-type": "38cqw alone needs it",
    "container-type inline-size": "38cqw alone needs it",
    "cqw": "limits the width of a card's picture, whose height is limited anyway",
    "dvh": "vh stands before it, or the picture is as high as its proportions make it",
    "has": "in rules of its own: a second outline, and the colour behind the picture's corners",
    "text-wrap": "nicer line ends",
    "text-wrap balance": "nicer line ends",
    "text-wrap pretty": "nicer line ends",
    "text-wrap wrap": "as above",
    "scrollbar-width": "a bar below an item's photos",
    "scrollbar-width none": "as above",
    "user-select": "Safari knows it by its prefix, which stands beside it",
    "user-select none": "as above",
    "color-scheme": "the colours of scroll bars; no page of ours depends on it",
    "color-scheme light": "as above",
    "color-scheme dark": "as above",
    "outline": "it has square corners in Safari before 16.4",
    "cursor pointer": "a phone has no cursor",
    "align-content start": "old names it flex-start in a flex box; only grids have it here",
    "align-self start": "as above, or it stands where it would anyway",
    "justify-content start": "the default of a flex box",
}
# Names of the device's documents and of the page's own classes, which a newer browser has, too.
OWN = {
    *("actions", "address", "at", "camera", "lines", "phone", "session", "show", "subject"),
    *("token", "views"),
}
# What MDN's data does not tell by a name.
SYNTAX = {
    "a class's static block": r"\bstatic\s*\{",
    "#name in object": r"#\w+\s+in\s",
    "await outside of a function": r"(?m)^(const \w+ = )?await\b",
    "a look behind in a regular expression": r"\(\?<[=!]",
    "a regular expression with v or d": r"/[gimsuy]*[dv][gimsuy]*[.,;)]",
}
DYNAMIC_UNITS = r"\d(dv[hwib]|sv[hwib]|lv[hwib]|cq[whib]|cqmin|cqmax)\b"


def script(file: Path) -> str:
    """A script without its comments and texts."""
    text = re.sub(r"(?m)(^|\s)//.*$", "", file.read_text(encoding="utf-8"))
    return re.sub(r'"(?:[^"\\\n]|\\.)*"', '""', text)


def sheet(file: Path) -> str:
    """A style sheet without its comments."""
    return re.sub(r"(?s)/\*.*?\*/", "", file.read_text(encoding="utf-8"))


def new_in_script(code: str) -> set[str]:
    """The members, statics and globals in a script that are too new."""
    names = set(re.findall(r"\.([A-Za-z_$][\w$]*)", code))
    names |= set(re.findall(r"(?<![\w$.#])[A-Z][\w$]*(?:\.[a-z]\w*)?", code))
    names |= set(re.findall(r"(?<![\w$.#])[A-Z][\w$]*", code))
    syntax = {name for name, pattern in SYNTAX.items() if re.search(pattern, code)}
    return names & set(TOO_NEW["script"]) | syntax


def new_in_sheet(code: str) -> set[str]:
    """The properties, values, selectors, rules and units in a style sheet that are too new."""
    declarations = re.findall(r"(?:^|[{;])\s*([-a-z]+)\s*:([^;{}]*);", code)
    values = {f"{name} {value}" for name, all_ in declarations for value in words(all_)}
    return (
        {name for name, _ in declarations} & set(TOO_NEW["properties"])
        | values & set(TOO_NEW["values"])
        | set(re.findall(r"::?([-a-z]+)", code)) & set(TOO_NEW["selectors"])
        | set(re.findall(r"@([-a-z]+)", code)) & set(TOO_NEW["rules"])
        | set(re.findall(DYNAMIC_UNITS, code))
    )


def words(text: str) -> list[str]:
    """The words of a declaration's value."""
    return re.findall(r"(?<![-\w])[a-z][-a-z]*", text)


@pytest.mark.parametrize("file", sorted(STATIC.glob("*.js")), ids=lambda file: str(file.name))
def test_script_suits_the_oldest_browsers(file: Path) -> None:
    """A feature that is too new stands in `DISPENSABLE`, with what happens without it."""
    assert new_in_script(script(file)) - OWN <= set(DISPENSABLE)


@pytest.mark.parametrize("file", sorted(STATIC.glob("*.css")), ids=lambda file: str(file.name))
def test_style_sheet_suits_the_oldest_browsers(file: Path) -> None:
    """The same for style sheets; a rule whose selector is too new has no other selector."""
    code = sheet(file)
    assert new_in_sheet(code) <= set(DISPENSABLE)
    for selectors in re.findall(r"(?:^|[{};])\s*([^{};@]*:has\([^{}]*)\{", code):
        assert "," not in selectors


def test_what_is_too_new_is_noticed() -> None:
    """One of each kind."""
    code = "list.toSorted(); Promise.withResolvers(); AbortSignal.timeout(1); new URLPattern()"
    assert new_in_script(code) == {
        "toSorted", "withResolvers", "AbortSignal.timeout", "URLPattern"
    }  # fmt: skip
    assert new_in_script("class A { static { run(); } }") == {"a class's static block"}
    assert new_in_sheet("a:has(b) { text-wrap: balance; height: 1dvh; }") == {
        "has", "text-wrap", "text-wrap balance", "dvh"
    }  # fmt: skip
    assert new_in_sheet("@layer a { b { color: light-dark(red, blue); } }") >= {"layer"}


def test_plain_page_suits_much_older_ones() -> None:
    """Its style sheet has no variables, grids or flexible boxes, and it has no script."""
    assert not re.search(r"var\(|grid|flex|calc\(|rem\b|clamp\(", sheet(STATIC / "plain.css"))
    template = STATIC.parent / "templates" / "plain.html"
    assert "<script" not in template.read_text(encoding="utf-8")
    outdated = script(STATIC / "outdated.js")
    assert not re.search(r"=>|\b(?:const|let|class|async|import)\b|`|\?\.", outdated)


def test_documents_state_the_oldest_versions() -> None:
    """The page for users, the plain page and this test name the same."""
    assert TOO_NEW["browsers"] == OLDEST
    stated = re.compile(r"Safari (\S+), Chrome or Edge (\d+), Firefox (\d+)")
    for file in (DOCS, STATIC.parent / "templates" / "plain.html"):
        found = stated.search(" ".join(file.read_text(encoding="utf-8").split()))
        assert found, file
        versions = [float(version) for version in found.groups()]
        assert versions == [OLDEST[name] for name in ("safari", "chrome", "firefox")]
