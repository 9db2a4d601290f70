"""Tables as shops and spreadsheet programs save them."""

from __future__ import annotations

import io
import json
import sys
import zipfile
from datetime import datetime
from pathlib import Path

import openpyxl
import pytest

from catalog.bundles.item_codes import codes_of
from catalog.bundles.items import Item
from catalog.core.errors import ContentError, MissingExtraError, TableError
from catalog.sources.read import read_source
from catalog.sources.source import ReadOptions, Source, SourceItem
from catalog.sources.tables.column_names import field_of
from catalog.sources.tables.columns import parse_column_map

SHOP = "https://shop.example"
SHOPIFY = (
    "Handle,Title,Body (HTML),Option1 Name,Option1 Value,Variant SKU,Variant Price,"
    "Image Src,Image Position,Variant Image,Status\n"
)
WOO = "ID,Type,SKU,Name,Short description,Regular price,Parent,Images,Attribute 1 value(s)\n"


def read(folder: Path, content: str | bytes, name: str = "items.csv") -> Source:
    """Read a table with this content."""
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_source(path)


def photos_of(source: Source) -> dict[str, list[str]]:
    """The photos of each sku; of a path, the name alone."""
    return {
        entry.item.sku: [place.rpartition("/")[2] for place in entry.photos]
        for entry in source.items
    }


def left_out(source: Source) -> list[str]:
    """What was left out, without the path of the table."""
    return [line.partition("items.csv, ")[2] for line in source.left_out]


def test_a_shopify_product_is_an_item_with_the_photos_of_its_rows(tmp_path: Path) -> None:
    source = read(
        tmp_path,
        SHOPIFY + 'tasse,Blaue Tasse,"<p>Aus Ton,\n12 cm</p><ul><li>grün &amp; blau</li></ul>",'
        f"Title,Default Title,T-1,12.50,{SHOP}/1.jpg?v=17,1,,active\n"
        f"tasse,,,,,,,{SHOP}/2.jpg?v=18,2,,\n"
        f"kanne,Kanne,,Title,Default Title,,30,{SHOP}/3.jpg,1,,active\n",
    )
    assert source.items == [
        SourceItem(
            Item(
                "T-1", "Blaue Tasse", "12.50",
                attributes={
                    "handle": "tasse",
                    "body (html)": "Aus Ton, 12 cm\ngrün & blau",
                    "image position": "1",
                    "status": "active",
                },
            ),
            (f"{SHOP}/1.jpg?v=17", f"{SHOP}/2.jpg?v=18"),
        ),
        SourceItem(
            Item(
                "kanne", "Kanne", "30",
                attributes={"handle": "kanne", "image position": "1", "status": "active"},
            ),
            (f"{SHOP}/3.jpg",),
        ),
    ]  # fmt: skip
    assert source.left_out == source.warnings == ()
    assert source.notes == (
        "items.csv: a table of Shopify's: the rows with the same 'Handle' are one product",
        "items.csv: sku from 'Variant SKU', else 'Handle', title from 'Title', price from "
        "'Variant Price', photos from 'Image Src' and 'Variant Image'; the other 6 columns become "
        "attributes",
    )


def test_the_newer_names_of_shopify_are_known(tmp_path: Path) -> None:
    source = read(
        tmp_path,
        "Title,URL handle,Description,SKU,Option1 name,Option1 value,Price,Product image URL,"
        "Image position,Variant image URL\n"
        f"Cup,cup,x,C-1,Colour,Red,9,{SHOP}/r.jpg,1,{SHOP}/r.jpg\n"
        f",cup,,C-2,,Blue,9,{SHOP}/b.jpg,2,{SHOP}/b.jpg\nPot,pot,,P,Title,Default Title,5,,,\n"
        f",pot,,,,,,{SHOP}/p.jpg,1,\n",
    )
    assert photos_of(source) == {"C-1": ["r.jpg"], "C-2": ["b.jpg"], "P": ["p.jpg"]}


def test_sizes_of_one_product_are_one_item(tmp_path: Path) -> None:
    source = read(
        tmp_path,
        SHOPIFY + f"shirt,Shirt,,Size,S,S-1,9,{SHOP}/1.jpg,1,,\n"
        f"shirt,,,,M,S-2,9,{SHOP}/2.jpg,2,{SHOP}/1.jpg,\nshirt,,,,L,S-3,9,,,,\n",
    )
    (entry,) = source.items
    assert (entry.item.sku, entry.item.title) == ("shirt", "Shirt")
    assert entry.item.attributes["variant sku"] == "S-1, S-2, S-3"
    assert entry.item.attributes["option1 value"] == "S, M, L"
    assert entry.photos == (f"{SHOP}/1.jpg", f"{SHOP}/2.jpg")


def test_variants_with_photos_of_their_own_are_items(tmp_path: Path) -> None:
    """Two sizes of the red one are one item; what shows no variant is not used, and said."""
    source = read(
        tmp_path,
        SHOPIFY + f"cup,Cup,nice,Colour,Red,C-1,9,{SHOP}/r.jpg,1,{SHOP}/r.jpg,\n"
        f"cup,,,,Blue,C-2,8,{SHOP}/b.jpg,2,{SHOP}/b.jpg,\n"
        f"cup,,,,Red,C-3,9,{SHOP}/all.jpg,3,{SHOP}/r.jpg,\n",
    )
    assert photos_of(source) == {"cup-Red": ["r.jpg"], "C-2": ["b.jpg"]}
    red, blue = (entry.item for entry in source.items)
    assert (red.title, blue.title, blue.price) == ("Cup, Red", "Cup, Blue", "8")
    assert red.attributes["variant sku"] == "C-1, C-3"
    assert blue.attributes["body (html)"] == "nice"
    assert "products: 1; photos of no variant, which were not used: 1" in source.notes[-1]


def test_a_woocommerce_product_is_an_item_with_the_addresses_of_its_cell(tmp_path: Path) -> None:
    source = read(
        tmp_path,
        WOO + f'1,simple,A,Cup,<b>fine</b>,"12,50",,"{SHOP}/1.jpg, {SHOP}/2.jpg",\n'
        f"2,simple,,Pot,,3,,{SHOP}/3.jpg,\n",
    )
    assert photos_of(source) == {"A": ["1.jpg", "2.jpg"], "2": ["3.jpg"]}
    first = source.items[0].item
    assert (first.title, first.price) == ("Cup", "12,50")
    assert first.attributes["short description"] == "fine"


@pytest.mark.parametrize("parent", ["V", "id:1"])
def test_variations_of_woocommerce_belong_to_their_parent(tmp_path: Path, parent: str) -> None:
    """With photos of their own they are items, else the product is one."""
    rows = f"1,variable,V,Cup,,,,{SHOP}/0.jpg,\n2,variation,V-1,Cup - Red,,5,{parent},,Red\n"
    assert photos_of(read(tmp_path, WOO + rows)) == {"V": ["0.jpg"]}
    rows += (
        f"3,variation,V-2,Cup - Blue,,5,{parent},{SHOP}/b.jpg,Blue\n"
        f"4,variation,,Cup - Green,,5,{parent},{SHOP}/g.jpg,Green\n"
    )
    source = read(tmp_path, WOO + rows)
    assert photos_of(source) == {"V-1": ["0.jpg"], "V-2": ["b.jpg"], "V-Green": ["g.jpg"]}
    assert [entry.item.title for entry in source.items] == [
        "Cup - Red",
        "Cup - Blue",
        "Cup - Green",
    ]


def test_a_merchant_feed_in_tabs_is_read(tmp_path: Path) -> None:
    source = read(
        tmp_path,
        "id\ttitle\tdescription\tlink\timage_link\tadditional_image_link\tprice\titem_group_id\n"
        f"1\tCup\tA cup\t{SHOP}/cup\t{SHOP}/1.jpg\t{SHOP}/2.jpg,{SHOP}/3.jpg\t9.99 USD\t\n"
        f"2\tShirt S\t\t\t{SHOP}/4.jpg\t\t5 USD\tshirt\n"
        f"3\tShirt M\t\t\t{SHOP}/4.jpg\t\t5 USD\tshirt\n",
        "feed.tsv",
    )
    assert photos_of(source) == {"1": ["1.jpg", "2.jpg", "3.jpg"], "shirt": ["4.jpg"]}
    assert source.items[0].item == Item(
        "1", "Cup", "9.99 USD", f"{SHOP}/cup", attributes={"description": "A cup"}
    )


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
    assert "UTF-8 but for 1 lines, the first of them line 3" in source.notes[0]


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
        "items.csv: 1 rows end with empty cells that the first line does not name "
        "(line 2 is the first); they were read without these"
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


FEED = """<?xml version="1.0" encoding="UTF-8"?>
<rss version="2.0" xmlns:g="http://base.google.com/ns/1.0"><channel>
<title>Shop</title><link>https://shop.example</link>
<item>
  <g:id>1</g:id><title>Cup</title><link>https://shop.example/cup</link>
  <description><![CDATA[<p>A &amp; B</p><p>C</p>]]></description>
  <g:image_link>https://shop.example/1.jpg?a=1&amp;b=2</g:image_link>
  <g:additional_image_link>https://shop.example/2.jpg</g:additional_image_link>
  <g:additional_image_link>https://shop.example/3.jpg</g:additional_image_link>
  <g:shipping><g:country>DE</g:country> <g:price>4 EUR</g:price></g:shipping>
  <g:price>9.99 USD</g:price>
</item>
<item><title>no id</title></item>
</channel></rss>"""


def test_a_merchant_feed_in_xml_is_read(tmp_path: Path) -> None:
    source = read(tmp_path, FEED, "items.xml")
    assert source.items == [
        SourceItem(
            Item(
                "1", "Cup", "9.99 USD", f"{SHOP}/cup",
                attributes={"description": "A & B\nC", "shipping": "DE 4 EUR"},
            ),
            (f"{SHOP}/1.jpg?a=1&b=2", f"{SHOP}/2.jpg", f"{SHOP}/3.jpg"),
        )
    ]  # fmt: skip
    assert source.left_out == (f"{tmp_path}/items.xml, item 2: no sku",)
    assert "photos from 'image_link' and 'additional_image_link'" in source.notes[0]


def test_an_atom_feed_is_read(tmp_path: Path) -> None:
    feed = (
        '<feed xmlns="http://www.w3.org/2005/Atom" xmlns:g="http://base.google.com/ns/1.0"><entry>'
        '<g:id>1</g:id><title>Größe</title><link href="https://shop.example/cup"/>'
        "<g:image_link>//shop.example/1.jpg</g:image_link></entry></feed>"
    )
    for encoding in ("utf-8", "utf-16"):
        (entry,) = read(tmp_path, feed.encode(encoding), "items.xml").items
        assert entry == SourceItem(Item("1", "Größe", url=f"{SHOP}/cup"), (f"{SHOP}/1.jpg",))


@pytest.mark.parametrize(
    ("declared", "encoding", "title"),
    [
        ("GB2312", "gb18030", "水杯 喆"),  # the last is not in GB2312 itself
        ("gb18030", "gb18030", "水杯"),
        ("Big5", "big5", "水杯"),
        ("Shift_JIS", "cp932", "カップ①"),
        ("euc-jp", "euc-jp", "カップ"),
        ("EUC-KR", "cp949", "머그컵"),
        ("windows-1252", "cp1252", "Größe"),
        ("UTF-8", "utf-8", "Größe"),
        ("gb2312", "utf-8-sig", "水杯"),
    ],
)
def test_a_feed_in_the_encoding_that_it_declares_is_read(
    tmp_path: Path, declared: str, encoding: str, title: str
) -> None:
    feed = (
        f'<?xml version="1.0" encoding="{declared}"?>\n<rss><item><id>1</id><title>{title}</title>'
        "<image_link>https://shop.example/1.jpg</image_link></item></rss>"
    )
    (entry,) = read(tmp_path, feed.encode(encoding), "items.xml").items
    assert entry.item.title == title


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('<?xml version="1.0" encoding="foo"?><rss/>', "not XML .*: unknown encoding: foo"),
        ('<?xml version="1.0" encoding="hex"?><rss/>', "not XML .*: 'hex' is not a text encoding"),
        ('<?xml version="1.0" encoding="big5"?><rss>€</rss>', "not XML .*: 'big5' codec can't"),
        ("<rss><item></rss>", r"items\.xml: not XML that can be read: mismatched tag: line 1"),
        ("", r"items\.xml: not XML that can be read: no element found"),
        ("<rss><channel/></rss>", r"items\.xml: no items in it"),
        (
            '<!DOCTYPE a [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><rss><item>&b;</item></rss>',
            r"items\.xml: declares entities, which a product feed does not need; refused",
        ),
        (
            '<!DOCTYPE a [<!ENTITY a SYSTEM "file:///etc/passwd">]><rss><item>&a;</item></rss>',
            r"items\.xml: declares entities",
        ),
    ],
)
def test_a_wrong_feed_is_refused(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(TableError, match=message):
        read(tmp_path, content, "items.xml")


def workbook(*sheets: list[list[object]]) -> bytes:
    """An Excel workbook with these sheets."""
    book = openpyxl.Workbook()
    book.remove(book.worksheets[0])
    for number, rows in enumerate(sheets):
        sheet = book.create_sheet(f"Sheet {number}")
        for row in rows:
            sheet.append(row)
        for row in sheet.iter_rows():
            for cell in row:
                if cell.value == 42:
                    cell.number_format = "00000000"
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


@pytest.mark.parametrize("name", ["items.xlsx", "items.csv"])
def test_an_excel_workbook_is_read(tmp_path: Path, name: str) -> None:
    """Numbers in full, dates as dates; a row is named where it is in the sheet."""
    rows: list[list[object]] = [
        ["Preisliste 2026"],
        [],
        ["Artikel-Nr.", "Bezeichnung", "Preis", "Bild 1", "Bild 2", "Stand", "Neu", "EAN"],
        [4006381333931, "Größe", 12.5, "a.jpg", "b.jpg", datetime(2026, 1, 2), True, 42],
        [],
        [None, "Summe", 12.5],
        ["B", "b", 3.0, "c.jpg", None, None, None, None, "beside"],
        ["C", "c", 0.1 + 0.2, "d.jpg"],
    ]
    source = read(tmp_path, workbook([["Legend"]], rows), name)
    assert photos_of(source) == {"4006381333931": ["a.jpg", "b.jpg"], "C": ["d.jpg"]}
    assert source.items[0].item == Item(
        "4006381333931", "Größe", "12.5",
        attributes={"stand": "2026-01-02", "neu": "true", "ean": "00000042"},
    )  # fmt: skip
    assert source.items[1].item.price == "0.3"
    assert [line.partition(f"{name}, ")[2] for line in source.left_out] == [
        "row 6: no sku",
        "row 7: has 'beside' beside the last named column",
    ]
    assert source.notes[:2] == (
        f"{name}: only the sheet 'Sheet 1' of 2 was read",
        f"{name}: the names of the columns are in row 3; the rows above were not used",
    )


def test_a_workbook_without_usable_columns_is_refused_by_its_row(tmp_path: Path) -> None:
    with pytest.raises(
        TableError, match=r"items\.xlsx, row 1: no column named sku; .* are 'A', 'B'"
    ):
        read(tmp_path, workbook([["A", "B"], [1, 2]]), "items.xlsx")
    with pytest.raises(TableError, match=r"items\.xlsx: no column named sku: it is empty"):
        read(tmp_path, workbook([]), "items.xlsx")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"x", "not an Excel workbook that can be read"),
        (b"PK\x03\x04 cut short", "not an Excel workbook that can be read"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "an Excel file of the old kind, or one with a password"),
    ],
)
def test_what_is_no_workbook_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(TableError, match=rf"items\.xlsx: {message}"):
        read(tmp_path, content, "items.xlsx")


def test_a_workbook_with_a_row_beyond_the_last_one_is_refused(tmp_path: Path) -> None:
    """Every missing row before it would be gone through."""
    content = workbook([["sku", "photo"], ["A", "a.jpg"]])
    copy = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as archive, zipfile.ZipFile(copy, "w") as changed:
        for name in archive.namelist():
            part = archive.read(name).replace(b'r="2"', b'r="2000000"')
            changed.writestr(name, part.replace(b'r="A2"', b'r="A2000000"'))
    with pytest.raises(TableError, match=r"items\.xlsx: has a row below 1048576, Excel's last"):
        read(tmp_path, copy.getvalue(), "items.xlsx")


def test_a_workbook_that_unpacks_to_too_much_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("catalog.sources.tables.workbook.LARGEST", 4 << 20)
    content = io.BytesIO(workbook([["sku", "photo"], ["A", "a.jpg"]]))
    with zipfile.ZipFile(content, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/more.xml", bytes(5 << 20))
    with pytest.raises(TableError, match=r"5 MiB when unpacked, and at most 4 are read"):
        read(tmp_path, content.getvalue(), "items.xlsx")


def test_without_openpyxl_the_command_that_helps_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(MissingExtraError, match=r"pip install '\.\[xlsx\]'"):
        read(tmp_path, b"PK\x03\x04", "items.xlsx")


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


def test_numbers_that_a_spreadsheet_shortened_are_warned_of(tmp_path: Path) -> None:
    text = 'sku,EAN,size,photo\nA,"4,00643E+12",1E+10,a.jpg\n4.00643E+12,4006381333931,,b.jpg\n'
    source = read(tmp_path, text)
    assert len(source.items) == 2
    assert source.warnings == tuple(
        f"items.csv: a spreadsheet program shortened 1 numbers of '{column}', and their last "
        f"digits are lost ({which}); format the column as text and enter them again"
        for column, which in (("ean", "line 2: 4,00643E+12"), ("sku", "line 3: 4.00643E+12"))
    )


@pytest.mark.parametrize("column", ["EAN", "sku"])
def test_lost_leading_zeros_are_warned_of_where_check_digits_show_them(
    tmp_path: Path, column: str
) -> None:
    numbers = ("4006381333931", "36000291452", "5449000000996", "96385074")
    rows = "".join(f"{number}x,{number},a.jpg\n" for number in numbers)
    if column == "sku":
        rows = "".join(f"t,{number},a.jpg\n" for number in numbers)
    header = "title,sku,photo\n" if column == "sku" else "sku,EAN,photo\n"
    (warning,) = read(tmp_path, header + rows).warnings
    assert "the leading zeros of 1 numbers of" in warning
    assert "(line 3: 36000291452, which was 036000291452)" in warning


def test_other_numbers_lost_nothing(tmp_path: Path) -> None:
    rows = "".join(f"{number},{number},a.jpg\n" for number in range(1234567, 1234597))
    assert read(tmp_path, f"sku,barcode,photo\n{rows}").warnings == ()


def test_mistyped_product_numbers_are_warned_of(tmp_path: Path) -> None:
    numbers = ("4006381333931", "4006381333949", "5449000000996", "own-7", "12345678")
    rows = "".join(f"sku{number},{number},a.jpg\n" for number in numbers)
    (warning,) = read(tmp_path, f"sku,gtin,photo\n{rows}").warnings
    assert "2 numbers of 'gtin' have a wrong check digit" in warning
    assert "(line 3: 4006381333949, line 6: 12345678)" in warning
    assert read(tmp_path, f"sku,article,photo\n{rows}").warnings == (), "no column of GTINs"


def test_a_table_of_titles_alone_is_read_with_a_warning(tmp_path: Path) -> None:
    source = read(tmp_path, "sku,title\nA,Blue cup\nB,Red cup\n")
    assert photos_of(source) == {"A": [], "B": []}
    (warning,) = source.warnings
    assert "no column named photo, so only a code or the words on a thing find these" in warning
    assert '--map photo="COLUMN"' in warning
    assert photos_of(read(tmp_path, "sku,ean\nA,4006381333931\n")) == {"A": []}


def test_an_item_keeps_the_codes_of_all_its_rows(tmp_path: Path) -> None:
    rows = "A,4006381333931,a.jpg,5\nA,4006381333948,b.jpg,6\nA,4006381333931,,7\nA,,c.jpg,8\n"
    (source,) = read(tmp_path, f"sku,gtin,photo,shelf life\n{rows}").items
    assert source.item.attributes == {
        "gtin": "4006381333931 4006381333948",
        "shelf life": "5",
    }
    assert "4006381333948" in codes_of(source.item.attributes)


def test_a_product_keeps_the_barcodes_of_its_variants(tmp_path: Path) -> None:
    (source,) = read(
        tmp_path,
        "Handle,Title,Option1 Name,Option1 Value,Variant SKU,Variant Barcode,Image Src\n"
        "cup,Cup,Size,S,C-S,4006381333931,a.jpg\ncup,,,L,C-L,4006381333948,\n",
    ).items
    codes = [*codes_of(source.item.attributes)]
    assert "4006381333931" in codes
    assert "4006381333948" in codes


def test_a_product_number_of_several_items_is_warned_of(tmp_path: Path) -> None:
    rows = "A,4006381333931,a.jpg\nA,4006381333931,b.jpg\nB,4006381333931,c.jpg\n"
    (warning,) = read(tmp_path, f"sku,gtin,photo\n{rows}").warnings
    assert "1 product numbers belong to several items" in warning
    assert "(line 2, line 4: 4006381333931)" in warning


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
