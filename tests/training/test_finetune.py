"""Fine-tuning for one shop, as far as it goes without PyTorch: what is read, held back, refused."""

from __future__ import annotations

import json
import shlex
import shutil
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import pytest

from catalog.core.errors import ContentError, SurroundingsError
from catalog.networks.network import EMBEDDED
from catalog.sources.read import read_source
from training import finetune
from training.shop import (
    HELD_BACK,
    LEARNT,
    Labelled,
    parted,
    photo_files,
    read_photos,
    replaced,
    write_parts,
)


def draw_shop(folder: Path, counts: dict[str, int]) -> Path:
    """So many pictures of each item, all different."""
    rng = np.random.default_rng(1)
    for sku, count in counts.items():
        (folder / sku).mkdir(parents=True)
        for number in range(count):
            picture = rng.integers(0, 256, (40, 60, 3)).astype(np.uint8)
            cv2.imwrite(str(folder / sku / f"{number}.png"), picture)
    return folder


def photos_of(folder: Path, left_out: list[tuple[str, str]]) -> list[Labelled]:
    """What `training.finetune` reads from a folder."""

    def note(name: str, reason: str) -> None:
        left_out.append((name, reason))

    return read_photos(photo_files(read_source(folder).items, note), note, lambda done, of: None)


def test_a_fifth_of_each_items_photos_is_held_back_the_same_each_time(tmp_path: Path) -> None:
    counts = {"one": 1, "two": 2, "three": 3, "seven": 7, "ten": 10}
    photos = photos_of(draw_shop(tmp_path / "photos", counts), [])
    learnt, held_back = parted(photos)
    held = {sku: sum(photo.sku == sku for photo in held_back) for sku in counts}
    assert held == {"one": 0, "two": 0, "three": 1, "seven": 1, "ten": 2}
    assert len(learnt) + len(held_back) == sum(counts.values())
    assert {p.digest for p in held_back} == {p.digest for p in parted(photos[::-1])[1]}


def test_the_parts_are_folders_of_an_item_each_and_are_written_anew(tmp_path: Path) -> None:
    photos = photos_of(draw_shop(tmp_path / "photos", {"a": 5, "b": 3}), [])
    odd = [Labelled("../x", one.place, one.digest, one.picture) for one in photos[:5]]
    for items in (odd + photos[5:], photos):
        learnt, held_back = parted(items)
        with replaced(tmp_path / "kept") as links:
            write_parts(learnt, held_back, links)
        for part, name in ((learnt, LEARNT), (held_back, HELD_BACK)):
            found = photos_of(tmp_path / "kept" / name, [])
            assert {one.digest for one in found} == {one.digest for one in part}
            assert len({one.sku for one in found}) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept", "photos"]


def test_what_is_interrupted_leaves_the_links_that_were_there(tmp_path: Path) -> None:
    photos = photos_of(draw_shop(tmp_path / "photos", {"a": 5, "b": 3}), [])
    with replaced(tmp_path / "kept") as links:
        write_parts(*parted(photos), links)
    before = sorted(tmp_path.rglob("*"))
    with suppress(KeyboardInterrupt), replaced(tmp_path / "kept") as links:
        write_parts(photos[:1], [], links)
        raise KeyboardInterrupt
    assert sorted(tmp_path.rglob("*")) == before


def test_a_place_that_cannot_be_written_is_told_before_anything_is_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    place = replaced(tmp_path / "file" / "kept")
    with pytest.raises(SurroundingsError, match="cannot be written"):
        place.__enter__()


def test_photos_that_cannot_be_used_are_left_out_and_told(tmp_path: Path) -> None:
    shop = draw_shop(tmp_path / "photos", {"a": 4, "b": 4})
    (shop / "a" / "4.jpg").write_bytes(b"no picture")
    (shop / "b" / "4.png").write_bytes((shop / "b" / "0.png").read_bytes())
    table = tmp_path / "items.jsonl"
    rows = [{"sku": p.parent.name, "photo": str(p)} for p in sorted(shop.glob("*/*"))]
    rows += [
        {"sku": "a", "photo": "http://shop.test/5.jpg"},
        {"sku": "b", "photo": str(shop / "gone.png")},
    ]
    table.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    left_out: list[tuple[str, str]] = []
    assert len(photos_of(table, left_out)) == 8
    assert left_out == [
        ("http://shop.test/5.jpg", "an address; only files are learnt from"),
        (f"{shop}/a/4.jpg", "not a picture that can be read"),
        (f"{shop}/b/4.png", f"the same file as {shop}/b/0.png"),
        (f"{shop}/gone.png", "No such file or directory"),
    ]


def test_where_no_item_has_three_photos_nothing_could_tell_whether_it_helped(
    tmp_path: Path,
) -> None:
    photos = photos_of(draw_shop(tmp_path / "photos", {"a": 2, "b": 2}), [])
    with pytest.raises(ContentError, match="no item has three photos"):
        parted(photos)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("gone --out own", "gone: no such file or folder"),
        ("only --out own", "only a has photos; wanted are at least two items"),
        ("far.jsonl --out own", "all photos are addresses"),
        ("photos --out own --minutes 0", "0.0 is not in the range 0<x<=1440"),
        ("photos --out own --minutes inf", "inf is not in the range 0<x<=1440"),
        ("photos --out own --minutes nan", "nan is not a number of minutes"),
        ("photos --out own --start gone", "gone: no such featurizer folder"),
        ("photos --out own --start photos", "not a featurizer's descriptor"),
        ("photos --out own --start foreign", "another network than this training makes"),
        ("photos --out {embedded}", "is the embedded network"),
        ("photos --out foreign --start foreign", "is the network that it starts from"),
        ("photos --out only", "holds something else; name another folder with --out"),
        ("photos --out new --keep only", "holds something else; name another folder with --keep"),
        ("photos --out photos/own", "lies in the folder of the photos"),
        ("photos --out photos", "is the folder of the photos"),
        ("own/photos --out own", "own: holds the folder of the photos"),
        ("photos/a/.. --out own --keep photos/a", "lies in the folder of the photos"),
        ("own/items.csv --out own", "own: holds the table of the photos"),
        ("own.csv --out own", "own: holds photos that are learnt from"),
        ("own.csv --out new --keep own/photos", "own/photos: holds photos that are learnt from"),
        ("photos --out own", "own: holds something else; name another folder with --out"),
        ("photos --out own.csv", "own.csv: holds something else"),
        ("photos --out foreign/own --start foreign", "lies in the network that it starts from"),
        ("photos --out new --keep mine", "mine: holds something else"),
        ("photos --out shop.bundle/featurizer", "lies in a bundle; name another folder with --out"),
        ("photos --out new --keep shop.bundle/x", "lies in a bundle"),
        ("photos --out new --keep new/photos", "lies in the network's folder"),
        ("photos --out new/own --keep new", "holds the network's folder"),
        ("photos", "Missing option '--out'"),
    ],
)
def test_fine_tuning_refuses_bad_input_by_one_sentence(
    words: str,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    draw_shop(tmp_path / "photos", {"a": 3, "b": 3})
    draw_shop(tmp_path / "only", {"a": 3})
    (tmp_path / "far.jsonl").write_text('{"sku": "a", "photo": "http://shop.test/1.jpg"}\n')
    (tmp_path / "foreign").mkdir()
    descriptor = (EMBEDDED / "descriptor.json").read_text(encoding="utf-8")
    (tmp_path / "foreign" / "descriptor.json").write_text(descriptor, encoding="utf-8")
    for name in ("own", "shop.bundle/featurizer"):
        shutil.copytree(tmp_path / "foreign", tmp_path / name)
    (tmp_path / "shop.bundle" / "manifest.json").write_text("{}")
    draw_shop(tmp_path / "own" / "photos", {"a": 3, "b": 3})
    draw_shop(tmp_path / "mine" / "learnt", {"a": 1})
    shutil.move(tmp_path / "mine" / "learnt" / "a" / "0.png", tmp_path / "mine" / "learnt")
    rows = [f"{sku},photos/{sku}/{number}.png" for sku in "ab" for number in range(3)]
    (tmp_path / "own" / "items.csv").write_text("\n".join(["sku,photo", *rows]))
    rows = [row.replace(",", ",own/") for row in rows]
    (tmp_path / "own.csv").write_text("\n".join(["sku,photo", *rows]))
    before = sorted(tmp_path.rglob("*"))
    monkeypatch.chdir(tmp_path)
    arguments = shlex.split(words.format(embedded=shlex.quote(str(EMBEDDED))))
    monkeypatch.setattr("sys.argv", ["finetune", *arguments])
    with pytest.raises(SystemExit) as stopped:
        finetune.main()
    heard = capsys.readouterr().err + str(stopped.value.code)
    assert said in heard
    assert "Traceback" not in heard
    assert sorted(tmp_path.rglob("*")) == before
