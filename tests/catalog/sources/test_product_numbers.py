"""Product numbers in tables: what spreadsheets do to them, and codes of several rows."""

from __future__ import annotations

from pathlib import Path

import pytest

from catalog.bundles.item_codes import codes_of
from tests.support.tables import photos_of, read


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
