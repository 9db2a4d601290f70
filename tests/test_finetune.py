"""Fine-tuning for one shop, as far as it goes without PyTorch: what is read, held back, refused."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import cv2
import numpy as np
import pytest

from catalog.errors import ContentError
from catalog.featurizer import EMBEDDED
from catalog.sources import read_source
from training import finetune
from training.shop import Labelled, parted, photo_files, read_photos, write_parts


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

    return read_photos(photo_files(read_source(folder), note), note, lambda done, of: None)


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
        for part, place in zip(
            (learnt, held_back), write_parts(learnt, held_back, tmp_path / "kept"), strict=True
        ):
            found = photos_of(place, [])
            assert {one.digest for one in found} == {one.digest for one in part}
            assert len({one.sku for one in found}) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept", "photos"]


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
        ("photos --out own --minutes 0", "0.0 is not in the range x>0"),
        ("photos --out own --start gone", "gone: no such featurizer folder"),
        ("photos --out own --start photos", "not a featurizer's descriptor"),
        ("photos --out own --start foreign", "another network than this training makes"),
        ("photos --out {embedded}", "is the embedded network"),
        ("photos --out foreign --start foreign", "is where it starts from"),
        ("photos --out only", "holds something else; name another folder with --out"),
        ("photos --out own --keep only", "holds something else; name another folder with --keep"),
        ("photos --out photos/own", "lies among the photos"),
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
