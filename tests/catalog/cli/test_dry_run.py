"""``catalog build --dry-run``: what would be built, and nothing done."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path

import numpy as np

from catalog.building.features import LARGEST_FILE
from catalog.building.preview import preview
from catalog.sources.read import read_source
from tests.conftest import Surroundings
from tests.support.drawing import draw_thing, jpeg, png, png_that_claims, write_things
from tests.support.file_server import Answer, FileServer


def shop(folder: Path) -> Path:
    """Photos in categories, with what is left out."""
    write_things(folder / "Drinks", 3, 3)
    write_things(folder / "Food", 2, 1, first=3)
    (folder / "Food" / "empty").mkdir()
    (folder / "Food" / "thing-03" / "bad.jpg").write_bytes(b"spoilt")
    (folder / "Food" / "thing-03" / "vast.png").write_bytes(png_that_claims(12_000, 12_000))
    (folder / "Food" / "thing-03" / "lost.png").symlink_to("absent")
    return folder


def everything_below(folder: Path) -> list[tuple[Path, int]]:
    return sorted((path, path.lstat().st_mtime_ns) for path in folder.rglob("*"))


def printed(done: subprocess.CompletedProcess[str], code: int = 0) -> str:
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout


def test_a_dry_run_prints_what_would_be_built_and_writes_nothing(
    surroundings: Surroundings,
) -> None:
    photos = shop(surroundings.folder / "photos")
    before = everything_below(surroundings.folder)
    done = surroundings.run("catalog", "build", photos, "--dry-run")
    assert printed(done).splitlines() == [
        "thing-00: thing 00, 3 photos, category Drinks",
        "thing-01: thing 01, 3 photos, category Drinks",
        "thing-02: thing 02, 3 photos, category Drinks",
        "thing-03: thing 03, 1 photo, category Food",
        "thing-04: thing 04, 1 photo, category Food",
        "would be built: 5 items, 11 photos, 0 of them to be fetched",
        "1 row or file would be left out, named above",
        "2 photos would be left out, named above",
        "left without a photo: empty",
        "2 items have fewer than three photos, and would be found less often for it: "
        "thing-03, thing-04",
        "nothing was fetched, decoded or written",
    ]
    notes, *left_out = done.stderr.splitlines()
    assert "each folder that holds pictures is an item" in notes
    bad = photos / "Food" / "thing-03"
    assert left_out[:2] == [
        f"left out: {bad / 'lost.png'}: a link that leads to no file",
        f"left out: {bad / 'bad.jpg'}: not a picture that can be read",
    ]
    assert "vast.png: 12000 x 12000 pixels are too many" in left_out[2]
    assert everything_below(surroundings.folder) == before


def test_a_dry_run_in_json_holds_every_item_and_strict_fails_as_a_build_would(
    surroundings: Surroundings,
) -> None:
    photos = shop(surroundings.folder / "photos")
    words = ("catalog", "build", photos, "--dry-run", "--json")
    done = surroundings.run(*words)
    document = json.loads(printed(done))
    assert (document["items"], document["photos"], document["to_fetch"]) == (5, 11, 0)
    assert document["contents"][4] == {
        "sku": "thing-03", "title": "thing 03", "price": "", "url": "", "location": "",
        "attributes": {"category": "Food"},
        "photos": [str(photos / "Food" / "thing-03" / "0.png")],
    }  # fmt: skip
    assert [Path(each["name"]).name for each in document["skipped"]] == ["bad.jpg", "vast.png"]
    assert document["without_photos"] == ["empty"]
    assert document["few_photos"] == ["thing-03", "thing-04"]
    assert len(document["left_out"]) == len(document["notes"]) == 1
    strict = surroundings.run(*words, "--strict")
    assert json.loads(printed(strict, 1)) == document
    assert "2 photos cannot be used, 1 item has none, and 1 row or file was" in strict.stderr


def test_a_dry_run_fetches_nothing(surroundings: Surroundings) -> None:
    server = FileServer()
    server.answers["/a.png"] = Answer(png(draw_thing(1)))
    table = surroundings.folder / "items.csv"
    table.write_text(f"sku,photo\nA,{server.address}/a.png\nB,absent.png\n")
    done = surroundings.run("catalog", "build", table, "--dry-run")
    assert "would be built: 1 item, 1 photo, 1 of them to be fetched" in printed(done)
    assert f"left out: {table.parent / 'absent.png'}: No such file" in done.stderr
    assert server.requests == []
    server.close()


def test_a_strict_dry_run_fails_for_a_warning_as_a_build_would(surroundings: Surroundings) -> None:
    (surroundings.folder / "0.png").write_bytes(png(draw_thing(1)))
    table = surroundings.folder / "items.csv"
    table.write_text("sku,title,photo\nA,Red cup,0.png\nA,Blue plate,0.png\n")
    done = surroundings.run("catalog", "build", table, "--dry-run", "--strict", "--json")
    (warning,) = json.loads(printed(done, 1))["warnings"]
    assert "line 2 and line 3 have the same sku" in warning
    assert f"error: nothing would be built, as --strict says: {warning}" in done.stderr


def test_names_cannot_command_the_terminal(surroundings: Surroundings) -> None:
    folder = surroundings.folder / "photos" / "cup\x1b[31m"
    folder.mkdir(parents=True)
    (folder / "0.png").write_bytes(png(draw_thing(1)))
    (folder / "1\n.png").write_bytes(b"spoilt")
    done = surroundings.run("catalog", "build", "photos", "--dry-run")
    assert r"cup\x1b[31m: cup\x1b[31m, 1 photo" in printed(done)
    assert done.stderr == (
        "left out: photos/cup\\x1b[31m/1\\n.png: not a picture that can be read\n"
    )


def test_a_dry_run_of_nothing_is_an_error(surroundings: Surroundings) -> None:
    (surroundings.folder / "items.csv").write_text("sku,photo\nA,absent.png\n")
    done = surroundings.run("catalog", "build", "items.csv", "--dry-run")
    assert done.returncode == 1
    assert "error: none of the photos could be used; nothing would be built" in done.stderr


def test_a_table_of_titles_alone_needs_a_photo(surroundings: Surroundings) -> None:
    (surroundings.folder / "items.csv").write_text("sku,title\nA,Blue cup\n")
    for more, end in ((["--dry-run"], "nothing would be built"), (["--out", "b"], "nothing was")):
        done = surroundings.run("catalog", "build", "items.csv", *more)
        assert done.returncode == 1
        assert "error: no item has a photo, and at least one needs one" in done.stderr
        assert end in done.stderr


def test_a_header_behind_much_else_is_found(tmp_path: Path) -> None:
    picture = jpeg(draw_thing(1))
    comments = b"\xff\xfe\xff\xff" + bytes(0xFFFD)
    (tmp_path / "far.jpg").write_bytes(picture[:2] + 3 * comments + picture[2:])
    (tmp_path / "never.jpg").write_bytes(picture[:2] + 3 * comments)
    seen = preview(read_source(tmp_path))
    assert (seen.photos, len(seen.skipped)) == (1, 1)


def test_files_that_a_build_would_not_open_are_left_out_for_its_reasons(tmp_path: Path) -> None:
    (tmp_path / "large.png").write_bytes(png(draw_thing(1)))
    os.truncate(tmp_path / "large.png", LARGEST_FILE + 1)
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "thin.png").write_bytes(png(np.zeros((1500, 12, 3), np.uint8)))
    os.mkfifo(tmp_path / "pipe.png")
    skus = ("large", "folder", "zero\0", "thin", "pipe")
    lines = [{"sku": name, "photo": f"{name}.png"} for name in skus]
    table = tmp_path / "items.jsonl"
    table.write_text("\n".join(map(json.dumps, lines)))
    assert [photo.reason for photo in preview(read_source(table)).skipped] == [
        "larger than 128 MiB",
        "Is a directory",
        "embedded null byte",
        "12 x 1500 pixels are too long and thin (at most 50 times as long, and 65536 pixels)",
        "not a file",
    ]


def test_ten_thousand_rows_take_less_than_ten_seconds_of_a_core(tmp_path: Path) -> None:
    (tmp_path / "0.png").write_bytes(png(draw_thing(1)))
    lines = ["sku,photo"]
    for row in range(10_000):
        os.link(tmp_path / "0.png", tmp_path / f"{row + 1}.png")
        lines.append(f"S{row},{row + 1}.png")
    (tmp_path / "items.csv").write_text("\n".join(lines))
    start = time.process_time()
    assert preview(read_source(tmp_path / "items.csv")).photos == 10_000
    assert time.process_time() - start < 10
