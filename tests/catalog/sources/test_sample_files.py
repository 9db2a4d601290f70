"""The catalogue files of AWS's visual search sample, as its users have them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from catalog.bundles.bundle import Bundle
from catalog.bundles.items import Item
from catalog.core.errors import ContentError, TableError
from catalog.sources.read import photos_in, read_source
from catalog.sources.source import SourceItem
from tests.conftest import Surroundings
from tests.support.drawing import draw_thing, png

HOST = "https://images.example/images/I"
RECORDS: list[dict[str, object]] = [
    {"id": "0", "title": "Nut, hex, M8", "url": f"{HOST}/31A.jpg"},
    {
        "id": 1,
        "title": "O'Neill's 6&quot; level &amp; case",
        "url": f"{HOST}/51Gc%2BMK._SL224_.jpg",
    },
]
LINES = "".join(f"{record['title']}, {record['url']}\n" for record in RECORDS)


def written(folder: Path, content: object, name: str = "metadata.json") -> Path:
    """A file of this content: text, or something to be JSON."""
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def test_metadata_json_is_read_with_its_ids(tmp_path: Path) -> None:
    assert read_source(written(tmp_path, RECORDS)).items == [
        SourceItem(Item("0", "Nut, hex, M8"), (f"{HOST}/31A.jpg",)),
        SourceItem(Item("1", "O'Neill's 6\" level & case"), (f"{HOST}/51Gc%2BMK._SL224_.jpg",)),
    ]


def test_title_lines_are_split_at_the_last_comma(tmp_path: Path) -> None:
    """The sku is the file's name; a byte-order mark, blank lines and CRLF are no matter."""
    text = "\ufeff" + LINES.replace("\n", "\r\n") + "\r\n"
    assert read_source(written(tmp_path, text, "sample-data.txt")).items == [
        SourceItem(Item("31A", "Nut, hex, M8"), (f"{HOST}/31A.jpg",)),
        SourceItem(
            Item("51Gc+MK._SL224_", "O'Neill's 6\" level & case"),
            (f"{HOST}/51Gc%2BMK._SL224_.jpg",),
        ),
    ]


def test_a_record_without_id_is_named_by_its_file(tmp_path: Path) -> None:
    (entry,) = read_source(
        written(tmp_path, [{"title": "Cup", "url": f"{HOST}/cup.jpg?v=2"}])
    ).items
    assert entry.item.sku == "cup"


def test_old_features_are_dropped_and_other_fields_kept(tmp_path: Path) -> None:
    record = RECORDS[0] | {"features": "0.12,0.0", "Colour": "grey", "price": "€ 2"}
    (entry,) = read_source(written(tmp_path, [record])).items
    assert entry.item == Item("0", "Nut, hex, M8", "€ 2", attributes={"colour": "grey"})


def test_only_whole_entities_are_characters(tmp_path: Path) -> None:
    """A title that merely has an ampersand stays as it is."""
    text = f"Q&notes A&B, R&D; &#39;T&reg;&#x41;&bogus;, {HOST}/a.jpg\n"
    (entry,) = read_source(written(tmp_path, text, "lines.txt")).items
    assert entry.item.title == "Q&notes A&B, R&D; 'T®A&bogus;"


def test_one_photo_sold_under_two_titles_is_one_item(tmp_path: Path) -> None:
    text = f"Tapes, {HOST}/a.jpg\nHits, {HOST}/a.jpg\n"
    (entry,) = read_source(written(tmp_path, text, "lines.txt")).items
    assert (entry.item.title, len(entry.photos)) == ("Tapes", 1)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("no address, here\n", r"line 2: wanted is a title, a comma and"),
        (f", {HOST}/b.jpg\n", r"line 2: wanted is a title"),
        (f"B, {HOST}/b/a.jpg\n", r"line 2: the file name a\.jpg is another"),
        ("B, https://h/\n", r"line 2: https://h/ ends in no file name"),
        ("B, http://[h/b.jpg\n", r"line 2: 'http://\[h/b.jpg' is no address"),
    ],
)
def test_a_wrong_line_is_left_out_by_its_number(tmp_path: Path, content: str, message: str) -> None:
    source = read_source(written(tmp_path, f"A, {HOST}/a.jpg\n{content}", "x.txt"))
    assert [entry.item.title for entry in source.items] == ["A"]
    (line,) = source.left_out
    assert re.search(rf"x\.txt, {message}", line)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('[{"id": ', r"metadata\.json: not JSON"),
        ("[" * 100_000, r"metadata\.json: not JSON"),
        ({"id": "1"}, r"metadata\.json: wanted is a JSON list of records"),
        ([], r"metadata\.json: wanted is a JSON list of records"),
        (["x"], r"metadata\.json, record 1: not a JSON object"),
        ([{"id": "1", "title": "A"}], r"record 1: no url, the photo's address"),
        ([{"id": "1", "url": 5}], r"record 1: no url"),
        ('[{"id": "1", "title": "\\ud800", "url": "http://h/a"}]', r"record 1: holds half a char"),
    ],
)
def test_a_wrong_record_is_refused_by_its_number(
    tmp_path: Path, content: object, message: str
) -> None:
    with pytest.raises(TableError, match=message):
        read_source(written(tmp_path, content))


def test_a_wrong_record_beside_right_ones_is_left_out(tmp_path: Path) -> None:
    source = read_source(written(tmp_path, [*RECORDS, "x", {"id": "3"}]))
    assert len(source.items) == 2
    assert [line.partition("metadata.json, ")[2] for line in source.left_out] == [
        "record 3: not a JSON object",
        "record 4: no url, the photo's address",
    ]


def test_photos_are_found_by_name_as_written_or_decoded(tmp_path: Path) -> None:
    entries = read_source(written(tmp_path, RECORDS)).items
    for name in ("51Gc%2BMK._SL224_.jpg", "51Gc+MK._SL224_.jpg"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / name).write_bytes(b"")
        assert photos_in(folder, entries)[1].photos == (str(folder / name),)


def test_a_folder_of_photos_must_be_there_and_be_of_use(tmp_path: Path) -> None:
    with pytest.raises(ContentError, match="absent: no such folder of photos"):
        photos_in(tmp_path / "absent", read_source(written(tmp_path, RECORDS)).items)
    (tmp_path / "a.png").write_bytes(png(draw_thing(1)))
    with pytest.raises(ContentError, match="no photo is named by its address; leave --photos out"):
        photos_in(tmp_path, read_source(tmp_path).items)


def test_a_bundle_is_built_from_the_sample_files(
    surroundings: Surroundings, featurizer_folder: Path
) -> None:
    """No network is asked; a photo that is not in the folder is named."""
    here = surroundings.folder
    records = [
        {"id": str(number), "title": f"Chef's thing, no. {number}", "url": f"{HOST}/{number}.png"}
        for number in range(5)
    ]
    written(here, records)
    (here / "fetched").mkdir()
    for number in range(4):
        (here / "fetched" / f"{number}.png").write_bytes(png(draw_thing(number)))
    done = surroundings.run(
        "catalog", "build", "metadata.json", "--photos", "fetched", "--out", "shop.bundle",
        "--model", featurizer_folder,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "left out: fetched/4.png: No such file or directory" in done.stderr
    opened = Bundle.open(here / "shop.bundle")
    (match,) = opened.search(opened.featurizer.embed([draw_thing(2)])[0], 1)
    item = opened.item(match.sku)
    assert item == Item("2", "Chef's thing, no. 2")
