"""What the embedded network is trained on, and that none of it is what it is measured on."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import training
from catalog.demonstration.fonts import FACES
from catalog.demonstration.items import drawn_items
from catalog.materials import materials
from training.paint import FONT_FOLDERS, LATIN_NOTO, SYLLABLES
from training.photos import train_photos

TRAINING = Path(training.__file__).parent
MADE_UP = re.compile(f"(?:{'|'.join(SYLLABLES)}){{1,4}}", re.IGNORECASE)


def imported(file: Path) -> set[str]:
    """Names of the modules that a file imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def test_no_training_module_uses_the_demonstration() -> None:
    files = sorted(TRAINING.glob("*.py"))
    assert len(files) > 10
    named = {file.name: imported(file) for file in files}
    assert not [name for name, used in named.items() if any("demonstration" in one for one in used)]


def test_the_product_does_not_import_the_training() -> None:
    root = TRAINING.parent
    files = [f for part in ("catalog", "edge", "sync") for f in (root / part).rglob("*.py")]
    assert len(files) > 50
    assert not [f for f in files if any(one.startswith("training") for one in imported(f))]


def test_training_and_demonstration_share_no_font() -> None:
    for _, file in FACES.values():
        assert not file.lower().startswith(FONT_FOLDERS)
        assert not file.startswith(LATIN_NOTO)


def test_no_drawn_training_product_can_bear_a_demonstration_items_title() -> None:
    titles = {item.title for item in drawn_items()}
    assert len(titles) > 100
    assert not [title for title in sorted(titles) if MADE_UP.fullmatch(title)]


@pytest.mark.materials
def test_no_photo_that_measures_is_trained_on() -> None:
    root = materials()
    assert root is not None
    photos = train_photos(root / "data")
    places = [photo.path.relative_to(root / "data").parts for photo in photos]
    allowed = {
        ("grocery", "photos"),
        ("pool", "caltech"),
        ("pool", "trashnet"),
        *{("clothing", parts[1]) for parts in places if parts[0] == "clothing"},
    }
    assert {parts[:2] for parts in places} == allowed
    clothing = [parts[2] for parts in places if parts[0] == "clothing"]
    assert len(clothing) == 3068
    assert all(name.startswith("train-") for name in clothing)
