"""Tables as shops and spreadsheet programs save them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from catalog.bundles.items import Item
from catalog.core.errors import ContentError, TableError
from catalog.sources.read import read_source
from catalog.sources.source import ReadOptions, SourceItem
from catalog.sources.tables.column_names import field_of
from catalog.sources.tables.columns import parse_column_map
from tests.support.tables import left_out, photos_of, read

SHOP = "https://shop.example"


@pytest.mark.parametrize(
    "names",
    [
        ("Item No.", "Product name", "Unit price", "Link", "Shelf", "Image URL"),
        ("Artikel-Nr.", "Bezeichnung", "VK-Preis", "Webseite", "Lagerort", "Bild"),
        ("Référence", "Désignation", "Prix TTC", "Lien", "Emplacement", "Photo"),
        ("Código", "Nombre", "Precio", "Enlace", "Ubicación", "Imagen"),
        ("商品编号", "商品名称", "价格", "链接", "货架", "图片"),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "own"])
def test_usual_names_of_columns_are_known_in_five_languages(
    tmp_path: Path, names: tuple[str, ...], encoding: str
) -> None:
    """Also as the spreadsheet programs of these languages save them."""
    if encoding == "own":
        encoding = "gb18030" if "图片" in names else "cp1252"
    text = ";".join(names) + ";note\r\n4711;ä;12,50;u;A 3;a.jpg;x\r\n"
    assert read(tmp_path, text.replace("ä", names[1]).encode(encoding)).items == [
        SourceItem(
            Item("4711", names[1], "12,50", "u", "A 3", {"note": "x"}), (str(tmp_path / "a.jpg"),)
        )
    ]


def test_our_own_names_count_before_others(tmp_path: Path) -> None:
    text = "ID,Name,title,sku,Description,photo\n7,n,t,s,d,a.jpg\n"
    (entry,) = read(tmp_path, text).items
    assert entry.item == Item("s", "t", attributes={"id": "7", "name": "n", "description": "d"})


@pytest.mark.parametrize(
    "names",
    ["photo1,photo2,photo3", "image,image 2,Image_3", "Bild 1,Bild 2,Foto", "photo,photo,photo"],
)
def test_each_column_of_photos_adds_to_them(tmp_path: Path, names: str) -> None:
    assert photos_of(read(tmp_path, f"sku,{names}\nA,1.jpg,2.jpg,3.jpg\nB,1.jpg,,\n")) == {
        "A": ["1.jpg", "2.jpg", "3.jpg"],
        "B": ["1.jpg"],
    }


@pytest.mark.parametrize(
    "name", ["size", "Photographer", "Image Alt Text", "title 2", "weight", ""]
)
def test_a_name_that_means_something_else_is_not_taken(name: str) -> None:
    assert field_of(name) is None


def test_columns_with_the_same_name_are_all_kept(tmp_path: Path) -> None:
    (entry,) = read(tmp_path, "sku,photo,Size,size\nA,a.jpg,1,2\n").items
    assert entry.item.attributes == {"size": "1", "size (2)": "2"}


@pytest.mark.parametrize(
    "text",
    [
        'sep=;\r\nsku;title;photo\r\nA;"x,y";a.jpg\r\n',
        '"sep=;"\nsku;title;photo\nA;x,y;a.jpg\n',
        "sku;title;photo\rA;x,y;a.jpg\r",
        "\n;;\nsku;title;photo\n\nA;x,y;a.jpg",
    ],
)
def test_a_separator_line_and_old_line_ends_are_read(tmp_path: Path, text: str) -> None:
    if text.startswith("\n;;"):
        text = text.replace(";;\n", "")
    source = read(tmp_path, text)
    assert [entry.item for entry in source.items] == [Item("A", "x,y")]
    assert source.left_out == ()


def test_a_table_of_windows_or_of_an_old_mac_is_read_and_said(tmp_path: Path) -> None:
    text = "sku,title,photo\r\nA,Größe 5 €,a.jpg\r\n"
    source = read(tmp_path, text.encode("cp1252"))
    assert source.items[0].item.title == "Größe 5 €"
    assert "not UTF-8, so it was read as Windows-1252" in source.notes[0]
    source = read(tmp_path, text.replace("\r\n", "\r").encode("mac_roman"))
    assert source.items[0].item.title == "Größe 5 €"
    assert "MacRoman" in source.notes[0]


def test_one_line_in_another_encoding_spoils_no_other(tmp_path: Path) -> None:
    text = "sku,title,photo\nA,Größe,a.jpg\nB,für,b.jpg\nC,süß,c.jpg\n".encode()
    source = read(tmp_path, text.replace("für".encode(), "für".encode("cp1252")))
    assert [entry.item.title for entry in source.items] == ["Größe", "für", "süß"]
    assert "UTF-8 but for 1 line, the first of them line 3" in source.notes[0]


def test_chinese_as_spreadsheets_save_it_is_read_under_english_names(tmp_path: Path) -> None:
    source = read(tmp_path, "sku,title,photo\nA,螺丝刀,a.jpg\nB,杯,b.jpg\n".encode("gb18030"))
    assert [entry.item.title for entry in source.items] == ["螺丝刀", "杯"]
    assert "read as GB18030 (Chinese)" in source.notes[0]


@pytest.mark.parametrize("text", ['sku,"title,photo\nA,a,a.jpg\n', '"sku"x,photo\nA,a.jpg\n'])
def test_names_of_columns_with_an_open_quote_are_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(TableError, match=r"items\.csv, line 1: .*: its quotes do not match"):
        read(tmp_path, text)


def test_what_is_no_text_is_refused_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"items\.csv, line 2: not UTF-8, and not Windows-1252"):
        read(tmp_path, b"sku,title,photo\nA,\x81\xe4,a.jpg\n")
    source = read(tmp_path, "sku,title,photo\nA,ä,a.jpg\nB,".encode() + b"\x81\xe4,b.jpg\n")
    assert source.items[1].item.title == "\ufffdä"
    with pytest.raises(TableError, match=r"items\.csv: begins as UTF-16 and is none"):
        read(tmp_path, "sku,photo\nA,a.jpg\n".encode("utf-16")[:-1])


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (",Total: 2,", "no sku"),
        ("Summe: 2,,", "a row of totals"),
        (",c,c.jpg", "no sku"),
        ('3,"c,c.jpg', "unexpected end of data: its quotes do not match"),
        ('3,"c" d,c.jpg', "',' expected after '\"': its quotes do not match"),
        ("3,c,c.jpg,d,", "5 columns, the first line names 3"),
        ("3;c;c.jpg", "1 column, the first line names 3"),
        ('3,c,"[""c.jpg"', "photo is no JSON list: "),
        (f"{'3' * 201},c,c.jpg", "the sku is longer than 200 characters"),
    ],
)
def test_one_odd_row_is_left_out_with_its_line(tmp_path: Path, row: str, reason: str) -> None:
    source = read(tmp_path, f'sku,title,photo\n1,"a\nb",a.jpg\n{row}\n2,b,b.jpg\n')
    assert photos_of(source) == {"1": ["a.jpg"], "2": ["b.jpg"]}
    (line,) = left_out(source)
    assert line.startswith(f"line 4: {reason}")


def test_a_long_cell_is_read_and_one_too_long_is_left_out(tmp_path: Path) -> None:
    text = "sku,title,photo,text\n1,a,a.jpg,{}\n2,b,b.jpg,{}\n3,c,c.jpg,\n"
    source = read(tmp_path, text.format("x" * 140_000, "x" * 1_100_000))
    assert photos_of(source) == {"1": ["a.jpg"], "3": ["c.jpg"]}
    assert left_out(source) == ["line 3: a cell of more than 1048576 characters"]


def test_an_open_quote_that_a_later_row_closes_swallows_no_row(tmp_path: Path) -> None:
    text = 'sku,title,photo\n1,"a,a.jpg\n2,b,b.jpg\n3,5",c.jpg\n4,"d, ""e""",d.jpg\n'
    source = read(tmp_path, text)
    assert photos_of(source) == {"2": ["b.jpg"], "3": ["c.jpg"], "4": ["d.jpg"]}
    assert left_out(source) == [
        "line 2: a quoted cell goes on over whole rows: its quotes do not match"
    ]


def test_empty_cells_after_the_last_column_are_no_fault(tmp_path: Path) -> None:
    source = read(tmp_path, "sku,title,photo\n1,a,a.jpg,\n2,b,b.jpg\n")
    assert len(source.items) == 2
    assert source.left_out == ()
    assert source.notes[-1] == (
        "items.csv: 1 row ends with empty cells that the first line does not name "
        "(line 2 is the first); such cells were passed over"
    )


def test_a_row_may_lack_its_last_cells(tmp_path: Path) -> None:
    source = read(tmp_path, "sku,title,photo\n1,a,a.jpg\n2,b\n\n")
    assert photos_of(source) == {"1": ["a.jpg"], "2": []}
    assert source.left_out == ()


def test_a_wrong_json_line_is_left_out(tmp_path: Path) -> None:
    lines = [
        '{"sku": "A", "photo": "a.jpg"}',
        '{"sku',
        '["B"]',
        '{"sku": "\\ud800"}',
        '{"name": 1}',
    ]
    source = read(tmp_path, "\n".join(lines), "items.jsonl")
    assert photos_of(source) == {"A": ["a.jpg"]}
    reasons = [line.partition("items.jsonl, ")[2] for line in source.left_out]
    assert reasons[0].startswith("line 2: not JSON")
    assert reasons[1:] == [
        "line 3: not a JSON object", "line 4: holds half a character", "line 5: no sku",
    ]  # fmt: skip


def test_a_table_of_which_nothing_is_left_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"line 2: no sku; 1 more rows cannot be used either"):
        read(tmp_path, "sku,photo\n,a.jpg\n,b.jpg\n")


def test_different_titles_under_one_sku_are_warned_of(tmp_path: Path) -> None:
    source = read(
        tmp_path,
        "sku,title,photo\n7,Red cup,a.jpg\n7,,b.jpg\n7,red  CUP,c.jpg\n7,Blue plate,d.jpg\n",
    )
    assert len(source.items) == 1
    assert source.warnings == (
        "items.csv: line 2 and line 5 have the same sku 7, but the titles 'Red cup' and "
        "'Blue plate'; they were built as one item with the first title",
    )


@pytest.mark.parametrize(
    ("cell", "places"),
    [
        ("a.jpg;b.jpg", ["a.jpg", "b.jpg"]),
        ("a.jpg, b.png", ["a.jpg", "b.png"]),
        ("d, e.jpg", ["d, e.jpg"]),
        ("a.jpg\nb.jpg", ["a.jpg", "b.jpg"]),
        ("there;is.jpg", ["there;is.jpg"]),
        ("//h/x.jpg", ["https://h/x.jpg"]),
        ("HTTP://h/X.jpg", ["http://h/X.jpg"]),
        ("http://h/a.jpg?s=1|2&t=3", ["http://h/a.jpg?s=1|2&t=3"]),
        ("http://h/a.jpg?s=1|2|http://h/b.jpg", ["http://h/a.jpg?s=1|2", "http://h/b.jpg"]),
        ("http://h/a.jpg, HTTPS://h/b c.jpg", ["http://h/a.jpg", "https://h/b c.jpg"]),
        ("http://h/a.jpg;v=1;//h/b.jpg", ["http://h/a.jpg;v=1", "https://h/b.jpg"]),
        ("http://h/a.jpg http://h/ü,图.jpg", ["http://h/a.jpg", "http://h/ü,图.jpg"]),
    ],
)
def test_a_cell_is_split_into_its_photos(tmp_path: Path, cell: str, places: list[str]) -> None:
    (tmp_path / "there;is.jpg").touch()
    line = json.dumps({"sku": "A", "photo": cell})
    (entry,) = read(tmp_path, line, "items.jsonl").items
    assert entry.photos == tuple(
        place if "://" in place else str(tmp_path / place) for place in places
    )


@pytest.mark.parametrize(
    "photo", [{"a": "b.jpg"}, [{"src": "b.jpg"}], 3, ["a.jpg", 3], [["a.jpg"]]]
)
def test_a_photo_that_is_no_text_is_left_out(tmp_path: Path, photo: object) -> None:
    rows = ({"sku": "A", "photo": photo}, {"sku": "B", "photo": json.dumps([{}])}, {"sku": "C"})
    source = read(tmp_path, "\n".join(map(json.dumps, rows)), "items.jsonl")
    assert [entry.item.sku for entry in source.items] == ["C"]
    assert [line.partition("items.jsonl, ")[2] for line in source.left_out] == [
        "line 1: photo is neither text nor a list of texts",
        "line 2: photo is neither text nor a list of texts",
    ]


@pytest.mark.parametrize("cell", [f"{'x' * 5000};a.jpg", f"a\\{'x' * 5000}.jpg", "a\\0;a.jpg"])
def test_what_can_be_no_name_of_a_file_is_no_fault_of_the_table(tmp_path: Path, cell: str) -> None:
    """A picture within the cell itself is longer than any name."""
    assert len(read(tmp_path, json.dumps({"sku": "A", "photo": cell}), "items.jsonl").items) == 1


def test_a_title_that_only_looks_like_html_stays(tmp_path: Path) -> None:
    text = "sku,title,photo,a,b\nA,Bolt <M8> 3 < 4,a.jpg,<p>see <M8></p>,R&D\n"
    (entry,) = read(tmp_path, text).items
    assert entry.item == Item("A", "Bolt <M8> 3 < 4", attributes={"a": "see <M8>", "b": "R&D"})


def test_guards_against_spreadsheet_programs_are_taken_off(tmp_path: Path) -> None:
    """Shops write '007 and ="007", so that the zeros stay."""
    text = "sku,title,photo,barcode\n=\"007\",'90s cup,a.jpg,'00012345670\n"
    (entry,) = read(tmp_path, text).items
    assert entry.item == Item("007", "'90s cup", attributes={"barcode": "00012345670"})


def test_a_path_as_windows_has_it_is_found(tmp_path: Path) -> None:
    (entry,) = read(tmp_path, "sku,photo\nA,shop\\cup\\1.jpg\n").items
    assert entry.photos == (str(tmp_path / "shop" / "cup" / "1.jpg"),)


def test_any_other_column_is_taken_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "items.csv"
    path.write_text('Was,"Nr, intern",Ding,title,Datei 7,Bild\na.jpg,9,Tasse,x,c.jpg,b.jpg\n')
    chosen = parse_column_map(['title=Ding,sku="nr, intern"', "photo=Was,photo=Datei 7"])
    source = read_source(path, ReadOptions(columns=chosen))
    assert photos_of(source) == {"9": ["a.jpg", "c.jpg"]}
    assert source.items[0].item == Item(
        "9", "Tasse", attributes={"title (2)": "x", "bild": "b.jpg"}
    )


@pytest.mark.parametrize(
    ("names", "choice", "photo", "title"),
    [
        ("thing,pic", "sku=thing,title=thing", "b.jpg", "a.jpg"),
        ("photo,pic", "sku=photo,photo=photo", "a.jpg", "a.jpg"),
        ("photo,price", "sku=photo", "a.jpg", "a.jpg"),
        ("sku,pic", "title=sku", "b.jpg", "a.jpg"),
        ("photo,pic", "sku=photo", "b.jpg", "a.jpg"),
    ],
)
def test_a_column_may_be_several_fields(
    tmp_path: Path, names: str, choice: str, photo: str, title: str
) -> None:
    path = tmp_path / "items.csv"
    path.write_text(f"{names}\na.jpg,b.jpg\n")
    source = read_source(path, ReadOptions(columns=parse_column_map([choice])))
    assert photos_of(source) == {"a.jpg": [photo]}
    assert source.items[0].item.title == title


def test_a_wrong_choice_of_columns_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "items.csv"
    path.write_text("A,B\n1,a.jpg\n")
    with pytest.raises(TableError, match=r"no column is named 'C'; the columns are 'A' and 'B'"):
        read_source(path, ReadOptions(columns={"sku": "C"}))
    with pytest.raises(ContentError, match=r"--map name=B: wanted is FIELD=COLUMN, where FIELD is"):
        parse_column_map(["sku=A,name=B"])
    with pytest.raises(ContentError, match=r"--map sku=B: sku is given twice"):
        parse_column_map(["sku=A", "sku=B"])
    with pytest.raises(TableError, match=r'by --map photo="COLUMN"; the columns are .A., .B.'):
        read_source(path, ReadOptions(columns={"sku": ["A"]}))
    with pytest.raises(TableError, match="no field is named 'name'; the fields are sku, title"):
        read_source(path, ReadOptions(columns={"name": "A"}))


@pytest.mark.parametrize("choice", [[], ["sku=1,title=Avo,photo=PHOTO"]])
@pytest.mark.parametrize("photo", ["a.JPG", f"{SHOP}/1?size=2"])
def test_a_product_is_not_taken_for_the_names_of_columns(
    tmp_path: Path, photo: str, choice: list[str]
) -> None:
    path = tmp_path / "items.csv"
    path.write_text(f"1,{photo},Avo\n2,b.jpg,Aub\n")
    options = ReadOptions(
        columns=parse_column_map([word.replace("PHOTO", photo) for word in choice])
    )
    with pytest.raises(
        TableError, match=r"items\.csv, line 1: looks like a product, not like names"
    ):
        read_source(path, options)


def test_a_column_that_counts_the_photos_holds_none(tmp_path: Path) -> None:
    with pytest.raises(
        TableError,
        match=r"line 1: no column named photo \('photos' holds numbers, no files\); want",
    ):
        read(tmp_path, "sku,photos\nA,45\nB,\nC,7\n")
    source = read(tmp_path, "sku,image,photos\nA,a.jpg,45\nB,,\nC,c.jpg,7\n")
    assert photos_of(source) == {"A": ["a.jpg"], "B": [], "C": ["c.jpg"]}
    assert source.items[0].item.attributes == {"photos": "45"}
    assert "'photos' holds numbers, no files" in source.notes[0]


@pytest.mark.parametrize("file", ["46", "other"])
def test_a_number_may_be_the_name_of_a_file(tmp_path: Path, file: str) -> None:
    (tmp_path / file).touch()
    path = tmp_path / "items.csv"
    path.write_text("sku,photos\nA,45\nB,46\n")
    chosen = {} if file == "46" else {"photo": "photos"}
    source = read_source(path, ReadOptions(columns=chosen))
    assert photos_of(source) == {"A": ["45"], "B": ["46"]}


def test_a_title_above_the_names_of_columns_is_passed_over_and_said(tmp_path: Path) -> None:
    source = read(tmp_path, "Price list;;\n\nItem No.;Name;Image\nA;a;a.jpg\n")
    assert photos_of(source) == {"A": ["a.jpg"]}
    assert (
        "the names of the columns are in line 3; the lines above were not used" in source.notes[0]
    )


def test_the_words_of_each_refusal_are_documented() -> None:
    documented = (Path(__file__).parents[3] / "docs" / "catalogue.md").read_text(encoding="utf-8")
    for words in (
        "no sku",
        "a row of totals",
        "the sku is longer than 200 characters",
        "its quotes do not match",
        "a cell of more than 1048576 characters",
        "has a row below 1048576, Excel's last",
        "5 columns, the first line names 3",
        "1 column, the first line names 3",
        "not JSON",
        "photo is neither text nor a list of texts",
        "have the same sku",
        "a spreadsheet program shortened",
        "a spreadsheet program took the leading zeros",
        "have a wrong check digit",
        "product numbers belong to several items",
        "no column named sku; wanted are sku, title, price, url, location, photo, or their usual",
        "looks like a product, not like names of columns ('a.jpg'); add a line above it",
        "no column named photo ('photos' holds numbers, no files)",
        "no column is named",
        "more rows cannot be used either",
        "no rows below the first line",
        "not UTF-8, and not Windows-1252 either",
        "not an Excel workbook that can be read",
        "an Excel file of the old kind, or one with a password",
        "MiB when unpacked, and at most 512 are read; save it as CSV",
        "pip install '.[xlsx]'",
        "not XML that can be read",
        "declares entities, which a product feed does not need; refused",
        "no items in it",
        "wanted is a JSON list of records",
    ):
        assert words in documented
