"""Folders as people have them: categories, views, system folders, sidecar files, links, names."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import pytest

from catalog.core.errors import ContentError
from catalog.sources.folders import read_folder
from catalog.sources.read import read_source
from catalog.sources.source import ReadOptions, Source
from catalog.sources.view_names import is_view_name
from catalog.sources.walk import DEEPEST, pictures_below
from tests.support.drawing import draw_thing, jpeg, png

PICTURE = png(draw_thing(1))
LEAF, TOP = ReadOptions("leaf"), ReadOptions("top")


def write(root: Path, *files: str) -> Path:
    """Write a picture at each path; an ``item.json`` holds nothing."""
    for file in files:
        path = root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"{}" if path.name == "item.json" else PICTURE)
    return root


def counts(source: Source) -> dict[str, int]:
    """Return the number of photos of each sku."""
    found = {each.item.sku: len(each.photos) for each in source.items}
    assert len(found) == len(source.items), "each sku occurs once"
    return found


def categories(source: Source) -> dict[str, str]:
    """Return the category of each sku."""
    return {each.item.sku: each.item.attributes.get("category", "") for each in source.items}


SHOP = ("Drinks/cola/0.png", "Drinks/cola/1.png", "Drinks/milk/0.png", "Food/apple/0.png")


def test_folders_of_products_in_folders_of_categories_are_the_items(tmp_path: Path) -> None:
    source = read_source(write(tmp_path, *SHOP))
    assert counts(source) == {"cola": 2, "milk": 1, "apple": 1}
    assert categories(source) == {"cola": "Drinks", "milk": "Drinks", "apple": "Food"}
    assert source.notes == (
        f"{tmp_path}: each folder that holds pictures is an item, the folders above it are its "
        f"category: cola is an item of the category Drinks; with --items top each folder in "
        f"{tmp_path} is an item instead",
    )


def test_categories_may_lie_within_each_other_at_any_depth(tmp_path: Path) -> None:
    files = (
        "Drinks/Hot/tea/0.png",
        "Drinks/Hot/mocha/0.png",
        "Drinks/cola/0.png",
        "Food/pie/0.png",
    )
    assert categories(read_source(write(tmp_path, *files))) == {
        "tea": "Drinks / Hot",
        "mocha": "Drinks / Hot",
        "cola": "Drinks",
        "pie": "Food",
    }


def test_the_choice_of_items_decides(tmp_path: Path) -> None:
    write(tmp_path, *SHOP, "Food/0.png")
    assert counts(read_source(tmp_path, TOP)) == {"Drinks": 3, "Food": 2}
    assert categories(read_source(tmp_path, TOP)) == {"Drinks": "", "Food": ""}
    assert counts(read_source(tmp_path, LEAF)) == {"cola": 2, "milk": 1, "Food": 1, "apple": 1}


@pytest.mark.parametrize(
    "views",
    [
        ("front", "back"),
        ("2024-05-01", "2024-05-02 14-30"),
        ("Front view", "left_side", "photos 2"),
        ("vorne", "Rückseite"),
        ("100CANON", "101CANON"),
        ("20240501", "01.05.2024"),
        ("{item}_front", "{item} back"),
        ("{item}",),
    ],
    ids=" ".join,
)
def test_folders_of_views_belong_to_the_item_above_them(
    tmp_path: Path, views: tuple[str, ...]
) -> None:
    for item in ("cup", "plate"):
        write(tmp_path, *(f"{item}/{view.format(item=item)}/0.png" for view in views))
    write(tmp_path, "cup/0.png", "spoon/0.png")
    source = read_source(tmp_path)
    assert counts(source) == {"cup": len(views) + 1, "plate": len(views), "spoon": 1}
    assert f"the pictures in {2 * len(views)} folders such as cup/" in source.notes[0]


def test_views_of_products_in_categories_belong_to_the_products(tmp_path: Path) -> None:
    views = [file.replace("/0", "/front/0").replace("/1", "/back/1") for file in SHOP]
    source = read_source(write(tmp_path, *views))
    assert counts(source) == {"cola": 2, "milk": 1, "apple": 1}
    assert categories(source)["apple"] == "Food"


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        (("cup/0.png", "cup/odd/1.png"), "cup holds pictures and folders with pictures"),
        (("D/cola/0.png", "D/milk/0.png", "cup/0.png"), "D holds folders with pictures, cup is"),
        (("D/cola/0.png", "D/milk/0.png", "c.png"), r"D holds folders with pictures, c\.png is"),
        (("cup/odd/0.png", "plate/other/0.png"), "cup/odd is alone in its folder, like most"),
        (
            ("cup/red/0.png", "cup/blue/0.png", "mug/red/0.png", "mug/blue/0.png"),
            "cup/blue has the name of a folder elsewhere, like most",
        ),
        (("cup/1/0.png", "cup/2/0.png", "mug/3/0.png"), "cup/1 may be an item or a view of one"),
        (("cup/cup 1/0.png", "cup/cup-2/0.png"), "cup/cup 1 may be an item or a view of one"),
        (("cup/odd/0.png", "cup/front/0.png"), "cup/front may be an item or a view of one"),
        (("D/cola/item.json", "D/cola/0.png", "D/1.png"), "D holds pictures and folders"),
        (("D/Hot/0.png", "D/Hot/tea/0.png", "D/milk/0.png"), "D/Hot holds pictures and folders"),
    ],
)
def test_where_it_is_not_clear_which_folders_are_items_the_owner_is_asked(
    tmp_path: Path, files: tuple[str, ...], reason: str
) -> None:
    with pytest.raises(ContentError, match=f"not clear which folders are items: {reason}") as error:
        read_source(write(tmp_path, *files))
    assert "Choose --items leaf (each folder that holds pictures is an item:" in str(error.value)
    assert "or --items top (each folder in" in str(error.value)
    for choice in (LEAF, TOP):
        pictures = [file for file in files if file.endswith(".png")]
        assert sum(counts(read_source(tmp_path, choice)).values()) == len(pictures)


def test_an_item_json_marks_an_item_and_all_below_it_is_its_own(tmp_path: Path) -> None:
    write(tmp_path, "cup/item.json", "cup/0.png", "cup/odd/1.png", "plate/0.png")
    assert counts(read_source(tmp_path)) == {"cup": 2, "plate": 1}
    for choice in (LEAF, TOP):
        assert counts(read_source(tmp_path, choice)) == {"cup": 2, "plate": 1}


def test_an_item_json_below_a_folder_makes_that_one_a_category(tmp_path: Path) -> None:
    write(tmp_path, "D/cola/item.json", "D/cola/0.png", "D/cola/x/1.png", "D/milk/0.png")
    write(tmp_path, "cup/0.png")
    source = read_source(tmp_path)
    assert counts(source) == {"cola": 2, "milk": 1, "cup": 1}
    assert categories(source) == {"cola": "D", "milk": "D", "cup": ""}


def test_an_item_json_may_name_another_category(tmp_path: Path) -> None:
    write(tmp_path, *SHOP)
    (tmp_path / "Drinks" / "cola" / "item.json").write_text('{"category": "Sweet"}')
    assert categories(read_source(tmp_path))["cola"] == "Sweet"


def test_items_of_one_name_in_two_categories_stay_two(tmp_path: Path) -> None:
    source = read_source(write(tmp_path, *SHOP, "Drinks/set/0.png", "Food/set/0.png"))
    assert counts(source) == {
        "cola": 2, "milk": 1, "apple": 1, "Drinks/set": 1, "Food/set": 1,
    }  # fmt: skip
    assert {each.item.title for each in source.items if "set" in each.item.sku} == {"set"}
    assert source.notes[1] == (
        "items of the same name in different folders have their path as sku: Drinks/set, Food/set"
    )


def test_an_empty_folder_in_a_category_is_an_item_without_photos(tmp_path: Path) -> None:
    (write(tmp_path, *SHOP) / "Food" / "bread").mkdir()
    assert counts(read_source(tmp_path)) == {"cola": 2, "milk": 1, "apple": 1, "bread": 0}


def test_all_pictures_in_one_deep_folder_are_one_item(tmp_path: Path) -> None:
    assert counts(read_source(write(tmp_path, "a/b/c/0.png", "a/b/c/1.png"))) == {"a": 2}


SYSTEM = (
    "@eaDir", "#recycle", "$RECYCLE.BIN", "__MACOSX", ".trash", ".Trash-1000", ".thumbnails",
    "lost+found", "System Volume Information", "@Recycle", ".@__thumb", ".hidden",
)  # fmt: skip


@pytest.mark.parametrize("below", ["", "cup/"])
def test_system_and_hidden_folders_are_passed_over_and_counted_in_one_line(
    tmp_path: Path, below: str
) -> None:
    write(tmp_path, "cup/0.png", "plate/0.png", *(f"{below}{name}/x/0.png" for name in SYSTEM))
    source = read_source(tmp_path)
    assert counts(source) == {"cup": 1, "plate": 1}
    assert source.left_out == ()
    (note,) = source.notes
    assert note.startswith(f"{tmp_path}: passed over {len(SYSTEM)} system or hidden folders (")
    assert pictures_below(tmp_path) == [tmp_path / "cup/0.png", tmp_path / "plate/0.png"]


def test_sidecar_files_are_no_faults(tmp_path: Path) -> None:
    write(tmp_path, "cup/0.png", "plate/0.png")
    for name in (
        "Thumbs.db", "0.xmp", "IMG_1.MOV", "desktop.ini", "IMG_1.AAE", "notes.txt", "readme",
        ".DS_Store", "._0.png",
    ):  # fmt: skip
        (tmp_path / "cup" / name).write_bytes(b"something")
    (tmp_path / "cup" / "clip.THM").write_bytes(jpeg(draw_thing(1)))
    source = read_source(tmp_path)
    assert counts(source) == {"cup": 1, "plate": 1}
    assert source.left_out == ()
    assert source.notes == (
        f"{tmp_path}: passed over 2 hidden files, 8 files that are no pictures "
        "(.aae, .db, .ini, .mov, .thm, .txt, .xmp, no suffix)",
    )


def test_a_table_beside_the_pictures_is_named(tmp_path: Path) -> None:
    write(tmp_path, "cup/0.png")
    (tmp_path / "items.csv").write_text("sku,photo\nA,cup/0.png\n")
    assert read_source(tmp_path).notes == (
        f"{tmp_path}: passed over 1 file that is no picture (.csv)",
        f"{tmp_path}/items.csv: the table is not read; to build from it, name it instead of "
        f"{tmp_path}",
    )


def test_a_damaged_picture_is_a_photo_still(tmp_path: Path) -> None:
    write(tmp_path, "cup/0.png")
    (tmp_path / "cup" / "1.jpg").write_bytes(b"spoilt")
    (tmp_path / "cup" / "2.png").write_bytes(b"")
    assert counts(read_source(tmp_path)) == {"cup": 3}


@pytest.mark.parametrize("layout", ["", "cup/", "Drinks/cola/"])
def test_files_without_a_suffix_and_jfif_are_pictures_by_their_content(
    tmp_path: Path, layout: str
) -> None:
    write(tmp_path, f"{layout}IMG_0001", f"{layout}IMG_0002.jfif", "Drinks/milk/0.png")
    (tmp_path / layout / "LICENSE").write_text("some rights reserved")
    places = {
        Path(place).name for each in read_source(tmp_path, LEAF).items for place in each.photos
    }
    assert places == {"IMG_0001", "IMG_0002.jfif", "0.png"}
    assert len(pictures_below(tmp_path)) == 3


def test_names_in_two_unicode_forms_are_one_item(tmp_path: Path) -> None:
    composed, decomposed = (unicodedata.normalize(form, "Müsli") for form in ("NFC", "NFD"))
    write(tmp_path, f"{composed}/1.png", f"{decomposed}/2.png", f"{decomposed}.png", "x/0.png")
    write(tmp_path, f"{decomposed}/item.json")
    source = read_source(tmp_path)
    assert counts(source) == {composed: 3, "x": 1}
    assert all(Path(place).is_file() for each in source.items for place in each.photos)


def test_names_that_differ_in_case_or_blanks_are_different_items(tmp_path: Path) -> None:
    source = read_source(write(tmp_path, "cup/0.png", "Cup/0.png", "plate/0.png", "plate /0.png"))
    assert counts(source) == {"Cup": 1, "cup": 1, "plate": 1, "plate ": 1}


def test_a_link_that_leads_out_is_not_followed_and_is_named(tmp_path: Path) -> None:
    outside = write(tmp_path / "outside", "secret/0.png")
    photos = write(tmp_path / "photos", "cup/0.png")
    (photos / "link").symlink_to(outside)
    (photos / "cup" / "more").symlink_to(outside / "secret")
    source = read_source(photos)
    assert counts(source) == {"cup": 1}
    assert source.left_out == tuple(
        f"{link}: a link to {target}, outside of {photos}; not followed"
        for link, target in (
            (photos / "link", outside),
            (photos / "cup" / "more", outside / "secret"),
        )
    )
    assert pictures_below(photos) == [photos / "cup" / "0.png"]


def test_where_nothing_is_left_the_first_that_was_left_out_is_named(tmp_path: Path) -> None:
    write(tmp_path / "elsewhere", "0.png")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cup").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ContentError, match=r"no pictures in it; .* Left out: .*cup: a link to"):
        read_source(tmp_path / "photos")


def test_a_link_in_a_circle_is_not_followed_and_is_named(tmp_path: Path) -> None:
    write(tmp_path, "cup/0.png", "plate/0.png")
    (tmp_path / "cup" / "round").symlink_to(tmp_path)
    (tmp_path / "cup" / "self").symlink_to("self")
    source = read_source(tmp_path)
    assert counts(source) == {"cup": 1, "plate": 1}
    assert source.left_out == ()
    assert source.notes == (
        f"{tmp_path}: links to folders are not followed, the pictures there are read where they "
        "are: cup/round",
    )


def test_a_link_to_a_picture_is_the_picture_and_one_outside_is_counted(tmp_path: Path) -> None:
    elsewhere = write(tmp_path / "elsewhere", "0.png")
    photos = write(tmp_path / "photos", "cup/0.png")
    (photos / "cup" / "1.png").symlink_to("0.png")
    (photos / "cup" / "2.png").symlink_to(elsewhere / "0.png")
    (photos / "cup" / "3.png").symlink_to("absent.png")
    source = read_source(photos)
    assert counts(source) == {"cup": 3}
    assert source.notes == (f"{photos}: 1 picture is a link to files outside of it",)
    assert source.left_out == (f"{photos / 'cup' / '3.png'}: a link that leads to no file",)


def test_a_folder_of_pictures_may_be_a_link_itself(tmp_path: Path) -> None:
    write(tmp_path / "photos", "cup/0.png", "cup/1.png")
    (tmp_path / "link").symlink_to("photos")
    source = read_source(tmp_path / "link")
    assert counts(source) == {"cup": 2}
    assert source.notes == ()


def test_a_pipe_is_no_picture(tmp_path: Path) -> None:
    write(tmp_path, "cup/0.png")
    os.mkfifo(tmp_path / "cup" / "1.png")
    assert counts(read_source(tmp_path)) == {"cup": 1}


def test_a_folder_that_cannot_be_read_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, "cup/0.png", "locked/0.png")
    scan = os.scandir

    def refused(path: Path) -> object:
        if Path(path).name == "locked":
            raise PermissionError(13, "Permission denied")
        return scan(path)

    monkeypatch.setattr("catalog.sources.walk.os.scandir", refused)
    source = read_folder(tmp_path)
    assert source.left_out == (f"{tmp_path / 'locked'}: Permission denied",)


def test_folders_are_read_to_a_depth_that_nobody_needs(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["d"] * (DEEPEST + 2))
    write(deep, "0.png")
    write(tmp_path, "cup/0.png")
    source = read_source(tmp_path)
    assert counts(source) == {"cup": 1, "d": 0}
    assert len(source.left_out) == 1
    assert source.left_out[0].endswith(f"lies below {DEEPEST} other folders")


def test_a_bundle_that_was_built_among_the_photos_is_no_item(tmp_path: Path) -> None:
    write(tmp_path, "cup/0.png", "shop.bundle/manifest.json", "shop.bundle/pictures/0.png")
    source = read_source(tmp_path)
    assert counts(source) == {"cup": 1}
    assert source.notes == (f"{tmp_path}: passed over 1 bundle (shop.bundle)",)


@pytest.mark.parametrize(
    ("name", "is_view"),
    [
        ("FRONT", True),
        ("Außen", True),
        ("top-left 2", True),
        ("2024-13-01", False),
        ("20241301", False),
        ("202405", False),
        ("4006381333931", False),
        ("front door", False),
        ("12", False),
        ("100WHITE", False),
    ],
)
def test_names_of_views(name: str, is_view: bool) -> None:
    assert is_view_name(name) is is_view
