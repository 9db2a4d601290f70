"""The usual names of columns, in English, German, French, Spanish and Chinese."""

from __future__ import annotations

import re
import unicodedata
from functools import cache, lru_cache

# The best name of a field first: where a table has two of them, the earlier one counts.
_NAMES = {
    "sku": """
        sku | variant sku | product sku | item sku | seller sku | artikelnummer | artikel nr
        | art nr | artikelnr | artnr | bestellnummer | produktnummer | materialnummer
        | teilenummer | item number | item no | part number | part no | partnumber
        | article number | article no | product number | stock code | product code | item code
        | code article | numero d article | reference article | reference produit | reference
        | ref | codigo de articulo | codigo de producto | codigo articulo | codigo producto
        | codigo | referencia | numero de articulo | 货号 | 商品编号 | 商品编码 | 商品代码
        | 产品编号 | 产品编码 | 产品型号 | 物料编码 | 物料号 | 款号 | 貨號 | 商品編號 | 產品編號
        | 编号 | 编码 | 編號 | product id | item id | produkt id | id produit | id producto
        | 商品id | id | code | handle | mpn | gtin | ean | ean13 | upc | barcode | variant barcode
        | isbn | 条码 | 条形码 | item | nummer | nr | number | no
    """,
    "title": """
        title | product title | item title | product name | item name | titel | bezeichnung
        | artikelbezeichnung | produktbezeichnung | artikelname | produktname | produkttitel
        | titre | designation | libelle | nom du produit | nom produit | nom de l article | titulo
        | denominacion | nombre del producto | nombre producto | nombre del articulo
        | nombre articulo | 标题 | 商品标题 | 商品名称 | 商品名 | 产品名称 | 产品名 | 品名 | 名称
        | 標題 | 商品名稱 | 產品名稱 | 名稱 | name | nom | nombre | 名字 | artikel | produkt
        | produit | producto | product | description | beschreibung | descripcion | 描述
    """,
    "price": """
        price | regular price | variant price | unit price | sales price | retail price
        | list price | preis | verkaufspreis | vk preis | vk | bruttopreis | einzelpreis | prix
        | prix de vente | prix ttc | prix unitaire | precio | precio de venta | precio unitario
        | pvp | regularer preis | precio normal | tarif regulier | 价格 | 售价 | 单价 | 零售价
        | 價格 | 售價 | 單價
    """,
    "url": """
        url | link | product url | product link | product page | item url | permalink
        | produktlink | produkt url | artikel url | webseite | lien | lien produit | url produit
        | enlace | enlace producto | url producto | url del producto | 链接 | 商品链接 | 产品链接
        | 网址 | 連結 | 商品連結
    """,
    "location": """
        location | shelf | shelf location | storage location | bin location | bin | aisle
        | warehouse location | lagerort | lagerplatz | regal | regalplatz | fach | standort
        | emplacement | rayon | etagere | ubicacion | estante | estanteria | pasillo | 位置 | 货架
        | 货位 | 库位 | 储位 | 存放位置 | 貨架 | 庫位
    """,
    "photo": """
        photo | photos | photo s | picture | pictures | image | images | image s | img | image src
        | image url | image urls | image link | image links | image file | image address
        | additional image | additional images | additional image link | additional image links
        | additional image url | main image | main image url | other image url | base image
        | product image | product images | product image url | product photo | picture url
        | photo url | photo file | picture file | variant image | variant image url | pic | pics
        | zusatzbild | zusatzbilder | weitere bilder | produktfoto | produktfotos | bild | bilder
        | bild url | bild urls | bildurl | bildlink | bilddatei | bilddateien | bildname
        | produktbild | produktbilder | artikelbild | artikelbilder | hauptbild | foto | fotos
        | foto url | abbildung | abbildungen | image principale | image produit | images produit
        | image du produit | image supplementaire | url image | url de l image | url images
        | lien image | lien de l image | photo produit | photo du produit | imagen | imagenes
        | imagen url | imagen principal | imagen del producto | imagenes del producto | url imagen
        | url de la imagen | url imagenes | enlace de imagen | foto del producto | fotografia
        | fotografias | 图片 | 照片 | 主图 | 图像 | 图片链接 | 图片地址 | 图片网址 | 图片路径
        | 商品图片 | 商品主图 | 产品图片 | 产品照片 | 圖片 | 主圖 | 圖片連結 | 商品圖片 | 產品圖片
    """,
    # Names that mean photos only where nothing else does.
    "file": """
        file | file name | filename | datei | dateiname | fichier | archivo | 文件 | 文件名 | path
    """,
}

_APART = re.compile(r"[\W_]+")
_NUMBER = re.compile(r"\s*\d+\s*")


@lru_cache(4096)
def plain(name: str) -> str:
    """Return a column's name as it is compared: without case, accents and punctuation."""
    decomposed = unicodedata.normalize("NFKD", name.strip().removeprefix("g:")).casefold()
    letters = "".join(letter for letter in decomposed if not unicodedata.combining(letter))
    return _APART.sub(" ", letters).strip()


@cache
def _known() -> dict[str, tuple[str, int]]:
    return {
        plain(name): (field, rank)
        for field, names in _NAMES.items()
        for rank, name in reversed(list(enumerate(names.split("|"))))
    }


def names_of(field: str) -> list[str]:
    """Return the names that mean a field, as they are compared."""
    return [plain(name) for name in _NAMES[field].split("|")]


def field_of(name: str) -> tuple[str, int] | None:
    """Return the field that a column's name means, and how far from the best name it is.

    The field "file" is a photo's where no column's name says photo. Photos may be numbered:
    "photo1", "image 3 url".
    """
    found = _known().get(plain(name))
    if found is None:
        found = _known().get(_NUMBER.sub(" ", plain(name)).strip())
        if found is not None and found[0] != "photo":
            return None
    return found
