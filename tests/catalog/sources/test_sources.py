"""The sources of catalogues: folders and tables."""

from __future__ import annotations

import json
import os
from json import JSONDecodeError
from pathlib import Path

import pytest

from catalog.bundles.items import Item
from catalog.core.errors import ContentError, TableError
from catalog.sources.json_mistakes import what_is_wrong
from catalog.sources.read import read_source
from catalog.sources.source import KEEP_WHOLE, ReadOptions, SourceItem
from catalog.sources.tables.likely_mistakes import meant
from tests.support.drawing import draw_thing, png, write_things


def table(folder: Path, text: str, name: str = "items.csv", encoding: str = "utf-8") -> Path:
    """Write a table and return its path."""
    path = folder / name
    path.write_bytes(text.encode(encoding))
    return path


def only(path: Path) -> SourceItem:
    """Return the only item of a source."""
    (entry,) = read_source(path).items
    return entry


def test_a_folder_for_each_item_is_named_by_its_sku(tmp_path: Path) -> None:
    write_things(tmp_path, 3, 2)
    entries = read_source(tmp_path).items
    assert [entry.item.sku for entry in entries] == ["thing-00", "thing-01", "thing-02"]
    assert entries[0].item.title == "thing 00"
    assert entries[0].photos == tuple(str(tmp_path / "thing-00" / f"{n}.png") for n in (0, 1))


def test_photos_in_folders_below_an_item_are_its_own(tmp_path: Path) -> None:
    write_things(tmp_path / "bolt", 1, 2)
    assert len(only(tmp_path).photos) == 2


def test_item_json_holds_title_price_and_the_rest(tmp_path: Path) -> None:
    write_things(tmp_path, 1, 1)
    fields = {"title": "Tasse »Blau«", "price": 14.5, "colour": "blue", "url": None}
    (tmp_path / "thing-00" / "item.json").write_text(json.dumps(fields), encoding="utf-8")
    entry = only(tmp_path)
    assert entry.item == Item(
        "thing-00", "Tasse »Blau«", price="14.5", attributes={"colour": "blue"}
    )
    assert len(entry.photos) == 1


def test_item_json_cannot_rename_its_item(tmp_path: Path) -> None:
    write_things(tmp_path, 1, 1)
    (tmp_path / "thing-00" / "item.json").write_text('{"sku": "other", "title": "T"}')
    assert only(tmp_path).item == Item("thing-00", "T")


@pytest.mark.parametrize(
    "content",
    [b"{", b"[1]", b'"text"', b'{"title": "\xff"}', b'{"title": "\\ud800"}', b"[" * 99_999],
)
def test_a_wrong_item_json_is_refused_by_its_path(tmp_path: Path, content: bytes) -> None:
    write_things(tmp_path, 1, 1)
    (tmp_path / "thing-00" / "item.json").write_bytes(content)
    with pytest.raises(ContentError, match=r"thing-00/item\.json: not a JSON object"):
        read_source(tmp_path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{\n "title": "Cup"\n "price": 1}', 'line 2: a comma is missing behind "title": "Cup"'),
        ('{\n "title": "Cup",\n}', "line 2: the comma before } is one too many"),
        ('{"a": "b",, "c": 1}', "line 1: a comma is one too many"),
        ('{\n "title": “Cup”\n}', "line 2: “ is no quotation mark of JSON; text stands in"),
        ("{'title': 1}", "line 1: ' is no quotation mark of JSON"),
        ('{title: "Cup"}', "line 1: the name of a field stands in straight quotation marks"),
        ('{"price": € 6.90}', "line 1: text stands in straight quotation marks"),
        ('{"price": 6,90}', "line 1: a number with a comma is a text"),
        ('{"price": 6 €}', "line 1: a comma is missing, or text stands in straight"),
        ('{"title": "6" nail"}', "line 1: a quotation mark is missing, or stands within a text"),
        ('{"title" "Cup"}', 'line 1: a colon is missing behind {"title"'),
        ('{\n"the price of it in the shop": }', "line 2: a value is missing behind ... of it in "),
        ('{"title": "Cup\n", "a": 1}', "line 1: a closing quotation mark is missing"),
        ('{"title": "C:\\x"}', r"line 1: a backslash stands alone; write two, \\"),
        ('{"a": 1} {"b": 2}', "line 1: something stands behind the end of the object"),
        ('{"a": 1,\n"b": 2\n', "line 2: the end is missing, a }"),
        ("", "line 1: the file is empty"),
        ("title: Cup", "line 1: an object begins with {"),
        ('{"title": "\\ud800"}', "it holds half a character"),
        ('{"a": [1 2]}', "line 1: a comma is missing, or"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_an_item_json_is_said_in_plain_words(
    tmp_path: Path, content: str, said: str
) -> None:
    write_things(tmp_path, 1, 1)
    (tmp_path / "thing-00" / "item.json").write_text(content, encoding="utf-8")
    with pytest.raises(ContentError) as caught:
        read_source(tmp_path)
    assert f"item.json: not a JSON object that can be read: {said}" in str(caught.value)


def test_other_mistakes_have_words_too() -> None:
    later = JSONDecodeError("Illegal trailing comma before end of object", '{"a": [1,\n\n]}', 8)
    assert what_is_wrong(later) == "line 1: the comma before ] is one too many; take it out"
    assert (
        what_is_wrong(JSONDecodeError("Something new", '\n{"a": 1}', 4)) == "line 2: Something new"
    )
    assert what_is_wrong(RecursionError()) == "it is nested too deeply"
    assert what_is_wrong(PermissionError(13, "Permission denied")) == "Permission denied"
    assert what_is_wrong(ValueError("too many digits")) == "too many digits"


def test_a_letter_that_is_not_utf_8_is_found_by_its_line(tmp_path: Path) -> None:
    write_things(tmp_path, 1, 1)
    (tmp_path / "thing-00" / "item.json").write_bytes(b'{\n"title": "Stra\xdfe"}')
    with pytest.raises(ContentError, match="line 2: a letter is not UTF-8; save the file as UTF-8"):
        read_source(tmp_path)


def test_an_item_json_of_another_kind_is_told_what_is_wanted(tmp_path: Path) -> None:
    write_things(tmp_path, 1, 1)
    for content, kind in (("[]", "a list"), ('"cup"', "text"), ("null", "null"), ("1.5", "1.5")):
        (tmp_path / "thing-00" / "item.json").write_text(content)
        with pytest.raises(ContentError, match=f"not a JSON object, but {kind}; wanted is .*thing"):
            read_source(tmp_path)


def test_item_json_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    write_things(tmp_path, 1, 1)
    (tmp_path / "thing-00" / "item.json").write_bytes(b'\xef\xbb\xbf{"title": "T"}')
    assert only(tmp_path).item.title == "T"


def test_a_key_that_nearly_is_a_field_is_warned_of_and_kept(tmp_path: Path) -> None:
    """Once for all files; a field that is there already is not meant by another key."""
    write_things(tmp_path, 4, 1)
    wrong = {
        "preis": "€ 4",
        "Title": "Cup",
        "place": "Aisle 3",
        "keep-whole": "yes",
        "colour": "red",
    }
    right = {"title": "Cup", "price": "4 €", "location": "3", "name": "Mug", "prize": "first"}
    for number, fields in enumerate(
        [wrong, wrong, right, {"url": "x", "link": "y", "artikel": "z", "location:de": "Gang"}]
    ):
        (tmp_path / f"thing-{number:02}" / "item.json").write_text(json.dumps(fields))
    source = read_source(tmp_path)
    files = f"{tmp_path}/thing-00/item.json, {tmp_path}/thing-01/item.json"
    assert source.notes == tuple(
        f"{files}: {key!r} is shown as an attribute; did you mean {field!r}?"
        for key, field in (
            ("preis", "price"),
            ("Title", "title"),
            ("place", "location"),
            ("keep-whole", "keep_whole"),
        )
    )
    assert source.items[0].item.attributes == wrong


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("pric", "price"), ("prize", "price"), ("PREISE", "price"), ("kosten", "price"),
        ("pri", ""), ("rice", ""), ("spice", ""), ("locations", "location"), ("vocation", ""),
        ("Bezeichnung", "title"), ("bezeichung", "title"), ("titel", "title"), ("titln", "title"),
        ("keepwhole", KEEP_WHOLE), ("Keep Whole", KEEP_WHOLE), ("link", "url"), ("urls", ""),
        ("description", ""), ("products", ""), ("produce", ""), ("photo", ""), ("ean", ""),
        ("price", ""), ("keep_whole", ""), ("location:de", ""), ("colour", ""), ("", ""),
        ("№", ""), ("★", ""),
    ],
)  # fmt: skip
def test_only_near_misses_of_fields_are_taken_for_them(name: str, field: str) -> None:
    assert meant(name, ()) == field
    assert meant(name, (field,)) == ""


def test_a_price_without_a_currency_is_told(tmp_path: Path) -> None:
    write_things(tmp_path, 3, 1)
    for number, price in enumerate([14.5, "1.250,-", "€ 3"]):
        text = json.dumps({"title": "Cup", "price": price})
        (tmp_path / f"thing-{number:02}" / "item.json").write_text(text)
    assert read_source(tmp_path).notes[-1:] == (
        "item.json: 2 prices are bare numbers, and visitors see them without a currency "
        "(thing-00: 14.5, thing-01: 1.250,-); write it with each, as in € 6.90",
    )
    found = read_source(
        table(tmp_path, "sku,photo,price,lager,locatoin,keep_whole\nA,a.jpg,4,B,C,\n")
    )
    assert found.notes[-2:] == (
        "items.csv: 'locatoin' becomes an attribute; did you mean 'location'? Then rename the "
        "column",
        "items.csv: 1 price is a bare number, and visitors see it without a currency (A: 4); "
        "write it with each, as in € 6.90",
    )
    shop = "Handle,Title,Variant SKU,Variant Price,Image Src\ncup,Cup,A,4.00,a.jpg\n"
    export = read_source(table(tmp_path, shop))
    assert "1 price is a bare number" in " ".join(export.notes)
    assert found.warnings == export.warnings == ()  # it may be meant so: --strict takes it


def test_a_flat_folder_holds_an_item_a_picture(tmp_path: Path) -> None:
    for name in ("hex_bolt-M8.png", "nut.png"):
        (tmp_path / name).write_bytes(png(draw_thing(1)))
    (tmp_path / "readme.txt").write_text("not a picture")
    entries = read_source(tmp_path).items
    assert [entry.item for entry in entries] == [
        Item("hex_bolt-M8", "hex bolt M8"),
        Item("nut", "nut"),
    ]


def test_pictures_of_one_name_and_a_folder_of_that_name_are_one_item(tmp_path: Path) -> None:
    write_things(tmp_path, 1, 2)
    for suffix in ("png", "jpg"):
        (tmp_path / f"thing-00.{suffix}").write_bytes(png(draw_thing(0)))
    assert len(only(tmp_path).photos) == 4


def test_an_empty_item_folder_is_an_item_without_photos(tmp_path: Path) -> None:
    write_things(tmp_path, 1, 1)
    (tmp_path / "empty").mkdir()
    assert [(source.item.sku, len(source.photos)) for source in read_source(tmp_path).items] == [
        ("empty", 0),
        ("thing-00", 1),
    ]


def test_hidden_files_and_folders_are_passed_over(tmp_path: Path) -> None:
    write_things(tmp_path, 1, 1)
    (tmp_path / "thing-00" / ".DS_Store").write_bytes(b"x")
    write_things(tmp_path / ".trash", 1, 1)
    assert len(only(tmp_path).photos) == 1


def test_a_name_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    with open(os.fsencode(tmp_path) + b"/caf\xe9.png", "wb") as file:
        file.write(png(draw_thing(1)))
    with pytest.raises(ContentError, match=r"caf\\xe9\.png.*not UTF-8; rename it"):
        read_source(tmp_path)


@pytest.mark.parametrize("content", ["nothing", "an empty item"])
def test_a_folder_without_a_picture_is_refused(tmp_path: Path, content: str) -> None:
    if content == "an empty item":
        (tmp_path / "item").mkdir()
    with pytest.raises(ContentError, match="no pictures in it; wanted are"):
        read_source(tmp_path)


def test_a_missing_source_is_refused_by_its_path(tmp_path: Path) -> None:
    with pytest.raises(ContentError, match=r"absent: no such file or folder"):
        read_source(tmp_path / "absent")


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ContentError, match=r"items\.ods: wanted is a folder, a \.csv or"):
        read_source(table(tmp_path, "x", "items.ods"))


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_reads_csv_of_any_delimiter_mark_and_line_end(
    tmp_path: Path, delimiter: str, encoding: str, end: str
) -> None:
    rows = [["SKU", "Title", "photo", "colour"], ["4711", "Schraube für Ä", "a.jpg", "blue"]]
    text = "".join(delimiter.join(row) + end for row in rows)
    assert only(table(tmp_path, text, encoding=encoding)) == SourceItem(
        Item("4711", "Schraube für Ä", attributes={"colour": "blue"}), (str(tmp_path / "a.jpg"),)
    )


def test_quotes_delimiters_and_new_lines_in_cells_are_text(tmp_path: Path) -> None:
    text = 'sku,title,photo\nA,"6"" nail, ""O\'Neill""\nsecond line",a.jpg\nB,plain,b.jpg\n'
    first, second = read_source(table(tmp_path, text)).items
    assert first.item.title == '6" nail, "O\'Neill"\nsecond line'
    assert second.item.sku == "B"


def test_repeated_rows_add_photos_and_the_first_filled_field_counts(tmp_path: Path) -> None:
    text = "sku,title,price,photo\nA,,1,a.jpg\nB,b,,b.jpg\nA,Name,2,c.jpg\nA,Other,3,a.jpg\n"
    first, second = read_source(table(tmp_path, text)).items
    assert first == SourceItem(
        Item("A", "Name", price="1"), (str(tmp_path / "a.jpg"), str(tmp_path / "c.jpg"))
    )
    assert second.photos == (str(tmp_path / "b.jpg"),)


def test_several_photos_stand_in_a_cell_by_bars_or_as_a_json_list(tmp_path: Path) -> None:
    text = (
        "sku;photo\n"
        "A;a.jpg | b.jpg|\n"
        'B;"[""c.jpg"", ""d, e.jpg""]"\n'
        "C;http://h/1.jpg|https://h/2.jpg\n"
        "D;/far/away.jpg\n"
        "E;\n"
    )
    here = str(tmp_path)
    assert [entry.photos for entry in read_source(table(tmp_path, text)).items] == [
        (f"{here}/a.jpg", f"{here}/b.jpg"),
        (f"{here}/c.jpg", f"{here}/d, e.jpg"),
        ("http://h/1.jpg", "https://h/2.jpg"),
        ("/far/away.jpg",),
        (),
    ]


def test_blank_lines_and_short_rows_are_no_error(tmp_path: Path) -> None:
    entries = read_source(table(tmp_path, "sku,photo,price\n\nA,a.jpg\n , ,\n")).items
    assert [entry.item for entry in entries] == [Item("A", "A")]


def test_jsonl_takes_numbers_lists_and_any_other_field(tmp_path: Path) -> None:
    text = (
        '{"sku": 4711, "title": "Tasse", "photo": ["a.jpg", "b.jpg"], "weight": 1.5}\n'
        "\n"
        '{"SKU": "B", "photo": "c.jpg|d.jpg", "price": null}\n'
    )
    first, second = read_source(table(tmp_path, text, "items.jsonl")).items
    assert first.item == Item("4711", "Tasse", attributes={"weight": "1.5"})
    assert len(first.photos) == len(second.photos) == 2
    assert second.item == Item("B", "B")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sku,photo\nB,b,c\n", r"items\.csv, line 2: 3 columns, the first line names 2"),
        ('sku,photo\n\n"x\ny",a.jpg,c\n', r"items\.csv, line 3: 3 columns"),
        ("name,photo\nA,a.jpg\n", r"items\.csv, line 1: no column named sku; wanted are sku,"),
        ("sku,colour\nA,a.jpg\n", r"items\.csv, line 1: no column named photo"),
        ("", r"items\.csv, line 1: no column named sku"),
        ("sku,photo\n", r"items\.csv: no rows below the first line"),
        ("sku,photo\n,a.jpg\n", r"items\.csv, line 2: no sku"),
        (f"sku,photo\n{'x' * 201},a.jpg\n", r"items\.csv, line 2: the sku is longer than 200"),
        ('sku,photo\nA,"a.jpg\n', r"items\.csv, line \d: unexpected end of data"),
        ('sku;photo\nA;"[""a.jpg"""\n', r"items\.csv, line 2: photo is no JSON list"),
        ('sku;photo\nA;"[""\\ud800.jpg""]"\n', r"items\.csv, line 2: photo is no JSON list"),
    ],
)
def test_a_wrong_csv_is_refused_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(TableError, match=message):
        read_source(table(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('\n{"sku"\n', r"items\.jsonl, line 2: not JSON"),
        ('["A"]\n', r"items\.jsonl, line 1: not a JSON object"),
        ('{"title": "A"}\n', r"items\.jsonl, line 1: no sku"),
    ],
)
def test_a_wrong_jsonl_is_refused_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(TableError, match=message):
        read_source(table(tmp_path, text, "items.jsonl"))


def test_options_of_the_other_kind_of_source_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ContentError, match="a folder has no columns; leave --map out"):
        read_source(tmp_path, ReadOptions(columns={"title": "Name"}))
    path = table(tmp_path, "sku,photo\nA,a.jpg\n")
    with pytest.raises(ContentError, match="items of a table are its rows; leave --items out"):
        read_source(path, ReadOptions(items="leaf"))
