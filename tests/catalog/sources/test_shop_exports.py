"""Tables as shops and merchants export them: Shopify, WooCommerce, Google Merchant."""

from __future__ import annotations

from pathlib import Path

import pytest

from catalog.bundles.items import Item
from catalog.core.errors import TableError
from catalog.sources.source import SourceItem
from tests.support.tables import photos_of, read

SHOP = "https://shop.example"
SHOPIFY = (
    "Handle,Title,Body (HTML),Option1 Name,Option1 Value,Variant SKU,Variant Price,"
    "Image Src,Image Position,Variant Image,Status\n"
)
WOO = "ID,Type,SKU,Name,Short description,Regular price,Parent,Images,Attribute 1 value(s)\n"
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
        "items.csv: 2 prices are bare numbers, and visitors see them without a currency (T-1: "
        "12.50, kanne: 30); write it with each, as in € 6.90",
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
    assert "products: 1; photos of no variant, which were not used: 1" in source.notes[-2]


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
