"""What the embedded network is trained on, and that none of it is what it is measured on."""

from __future__ import annotations

import ast
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import training
from bench.materials import materials
from catalog import synthetic as demonstration
from catalog.core.errors import ContentError
from catalog.synthetic.fonts import FACES
from catalog.synthetic.items import drawn_items
from training.cutouts import cutout_files
from training.drawn import drawn_files
from training.glyphs import FONT as EMOJI
from training.paint import FONT_FOLDERS, LATIN_NOTO, SYLLABLES
from training.photos import Photo, train_photos
from training.settings import SETTINGS, read
from training.shards import (
    MADE_OF,
    check_made_of,
    held,
    made_of,
    note_made_of,
    open_shards,
    remove,
    shard_folders,
)

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


def constants(file: Path) -> set[object]:
    """The literal strings and numbers of a file."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}


def colours(file: Path) -> set[tuple[int, ...]]:
    """The literal triples of whole numbers up to 255 of a file, either way round."""
    found: set[tuple[int, ...]] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Tuple | ast.List) and len(node.elts) == 3:
            values = [one.value for one in node.elts if isinstance(one, ast.Constant)]
            whole = tuple(one for one in values if isinstance(one, int) and 0 <= one <= 255)
            if len(whole) == 3:
                found |= {whole, whole[::-1]}
    return found


def test_the_training_imports_of_the_product_only_the_catalogue_without_its_demonstration() -> None:
    files = sorted(TRAINING.glob("*.py"))
    assert len(files) > 10
    named = {file.name: imported(file) for file in files}
    apart = ("catalog.synthetic", "edge", "sync")
    found = {
        (name, one)
        for name, used in named.items()
        for one in used
        if any(f"{one}.".startswith(f"{module}.") for module in apart)
    }
    assert not found


def test_the_product_does_not_import_the_training() -> None:
    root = TRAINING.parent
    files = [f for part in ("catalog", "edge", "sync") for f in (root / part).rglob("*.py")]
    assert len(files) > 50
    assert not [f for f in files if any(one.startswith("training") for one in imported(f))]


def test_training_and_demonstration_share_no_font() -> None:
    assert len(FACES) > 5
    for package, file in FACES.values():
        assert not file.lower().startswith(FONT_FOLDERS)
        assert not file.startswith(LATIN_NOTO)
        assert not package.removeprefix("font_").startswith(FONT_FOLDERS)
    literals = {one for file in TRAINING.glob("*.py") for one in constants(file)}
    named = {one for one in literals if isinstance(one, str) and one.endswith((".ttf", ".otf"))}
    assert named == {"*.ttf", str(EMOJI)}  # in those folders; and its pictures are no letters


def test_training_and_demonstration_share_no_palette() -> None:
    """What is drawn in the training has random colours, but for greys and a few named ones."""
    palettes = {
        tuple(bytes.fromhex(one[1:]))
        for file in Path(demonstration.__file__).parent.glob("*.py")
        for one in constants(file)
        if isinstance(one, str) and re.fullmatch("#[0-9a-f]{6}", one)
    }
    assert len(palettes) > 100
    named = {one for file in TRAINING.glob("*.py") for one in colours(file)}
    assert named
    assert not {one for one in named & palettes if len(set(one)) > 1}  # greys are everybody's


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


def test_the_rate_rises_stays_and_falls_and_pictures_grow() -> None:
    settings = read(SETTINGS)
    shares = [settings.optimiser.rate_share(at / 1000) for at in range(1001)]
    peak = [at / 1000 for at, share in enumerate(shares) if share == 1]
    assert 0 < shares[0] < 0.2
    assert peak[0] == pytest.approx(settings.optimiser.warm_up, abs=0.002)
    assert peak[-1] == pytest.approx(settings.optimiser.fall, abs=0.002)
    assert shares[: int(1000 * peak[0])] == sorted(shares[: int(1000 * peak[0])])
    assert shares[int(1000 * peak[-1]) :] == sorted(shares[int(1000 * peak[-1]) :], reverse=True)
    assert 0 <= shares[-1] < 0.01
    sides = [settings.input.size(at / 1000) for at in range(1001)]
    assert sides == sorted(sides)
    assert {side for _, side in settings.input.sizes} == set(sides)


def bank_of(cache: Path, *names: str) -> None:
    """Shards of one row each."""
    for name in names:
        (cache / "bank" / name).mkdir(parents=True)
        for field in ("pictures", "answers", "source", "thing"):
            np.save(cache / "bank" / name / f"{field}.npy", np.zeros(1))


def test_a_shard_that_is_removed_is_passed_over_and_what_is_open_stays(tmp_path: Path) -> None:
    bank_of(tmp_path, "000000", "000001")
    known = open_shards(tmp_path, {})
    remove(tmp_path / "bank" / "000000")
    (tmp_path / "bank" / "000001" / "thing.npy").unlink()  # as one that goes while it is opened
    bank_of(tmp_path, "000002")
    assert list(open_shards(tmp_path, known)) == ["000001", "000002"]
    assert list(open_shards(tmp_path, {})) == ["000002"]
    assert known["000000"].pictures.tolist() == [0.0]


def test_one_process_holds_a_bank_and_what_a_killed_one_left_is_removed(tmp_path: Path) -> None:
    bank_of(tmp_path, "000000", "making-000001", "removed-000000")
    with held(tmp_path) as bank:
        assert [path.name for path in shard_folders(tmp_path)] == ["000000"]
        assert sorted(path.name for path in bank.iterdir()) == ["000000", "lock"]
        with pytest.raises(ContentError, match=r"another training\.bank"), held(tmp_path):
            pass
    with held(tmp_path) as bank:
        assert bank == tmp_path / "bank"


def test_a_cache_of_other_photos_is_refused_and_one_that_does_not_say_is_taken(
    tmp_path: Path,
) -> None:
    files = [tmp_path / "photos" / f"{number}.webp" for number in range(4)]
    files[0].parent.mkdir()
    for number, file in enumerate(files):
        file.write_bytes(bytes(number))
    photos = [Photo(file, 0, file.parent.name) for file in files]
    bank = read(SETTINGS).bank
    ours = made_of(photos, files[:2], bank)
    old, new = tmp_path / "old", tmp_path / "new"
    bank_of(old, "000000")
    note_made_of(old, ours)  # made before there was such a file
    assert not (old / MADE_OF).exists()
    check_made_of(old, ours)
    new.mkdir()
    note_made_of(new, ours)
    bank_of(new, "000000")
    check_made_of(new, made_of(photos, files[:2], replace(bank, shards=1)))
    with pytest.raises(ContentError, match="other photos; name another"):
        check_made_of(new, made_of(photos[1:], files[:2], bank))
    with pytest.raises(ContentError, match=r"other cut-outs and settings in \[bank\]"):
        note_made_of(new, made_of(photos, files, replace(bank, mixed=1)))


def test_an_empty_cache_and_no_cut_outs_are_told_by_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ContentError, match=r"make some with: python -m training\.bank"):
        open_shards(tmp_path, {})
    with pytest.raises(ContentError, match=r"make them with: python -m training\.drawn"):
        drawn_files(tmp_path)
    with pytest.raises(ContentError, match="no cut-out things"):
        cutout_files(tmp_path)
