"""What is taught is found at once, survives everything, and rests where the catalogue has it."""

from __future__ import annotations

import re
import sqlite3
import threading
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from catalog.building.build import BuildOptions, build
from catalog.bundles.bundle import Bundle
from catalog.bundles.items import Item
from catalog.core.errors import ContentError, DiskFullError, ShelfError
from catalog.core.photos import encode_jpeg
from catalog.networks.featurizer import Featurizer
from catalog.recognition.descriptors import Descriptors
from catalog.recognition.local_features.extract import extract_local_features
from catalog.sources.read import read_source
from catalog.sources.source import SourceItem
from edge import state_database
from edge.errors import NoCatalogueError
from edge.taught import describing
from edge.taught import store as store_module
from edge.taught import taught as taught_module
from edge.taught.joining import additions
from edge.taught.store import FILE, MOST_PHOTOS_OF_ITEM, Features, NewPhoto, TaughtStore
from edge.taught.taught import MOST_CONFIRMED, NEW_LOOK, Taught, least_telling, open_taught
from edge.taught.wish import LONGEST_SKU, LONGEST_TEXT, Wish, changed_item, wished_item
from edge.vision.images import LIGHT_GREY, colours_of_cutout
from tests.conftest import THINGS
from tests.support.drawing import draw_thing, write_things
from tests.support.lessons import NEW, first, views

NOTHING_SEEN = Features(np.zeros(3, np.float32), Descriptors(np.zeros(256, np.uint8)))


def until_embedded() -> None:
    for thread in threading.enumerate():
        if thread.name == "embed-taught":
            assert thread.daemon, "a device that is stopped does not wait for it"
            thread.join(60)


def test_a_new_item_is_found_at_once_with_its_photo(taught: Taught, bundle: Bundle) -> None:
    assert first(bundle, NEW)[1] < 0.5
    item = taught.save(Wish(title="  Red  blots ", price="3 €"), views(bundle, NEW))
    assert first(bundle, NEW)[0] == item.sku
    assert first(bundle, NEW)[1] > 0.5
    assert bundle.item(item.sku) == item
    assert item.title == "Red blots"
    assert bundle.find("blots") == [item]
    photos = bundle.photos(item.sku)
    assert len(photos) == 3
    assert (bundle.thumbnail(photos[0].number) or b"").startswith(b"\xff\xd8")
    assert all(first(bundle, thing)[0] == f"thing-{thing:02}" for thing in range(THINGS))


def test_it_is_there_after_a_restart_and_with_another_catalogue(
    taught: Taught, bundle: Bundle, tmp_path: Path, things: Path, colour_grid: Featurizer
) -> None:
    item = taught.save(
        Wish(title="Blots", attributes={"gtin": "4006381333931"}), views(bundle, NEW)
    )
    numbers = [photo.number for photo in bundle.photos(item.sku)]
    taught.store.close()
    again = Bundle.open(bundle.path)
    Taught(tmp_path / "taught").use(again)
    assert first(again, NEW)[0] == item.sku
    assert [photo.number for photo in again.photos(item.sku)] == numbers
    assert again.with_code(["4006381333931"]) == item
    assert again.may_have_codes


def test_the_colours_of_things_that_were_cut_out_are_kept(
    taught: Taught, bundle: Bundle, tmp_path: Path
) -> None:
    whole, cut_out, *_ = views(bundle, NEW)
    picture = cut_out.picture.copy()
    picture[:, : picture.shape[1] // 4] = LIGHT_GREY
    taught.save(Wish(title="Blots"), [whole, replace(cut_out, picture=picture)])
    taught.store.close()
    again = TaughtStore(tmp_path / "taught").features(bundle.featurizer.network_id)
    colours = [again[photo].descriptors.thing_colours for photo in sorted(again)]
    assert colours[0] is None
    expected = colours_of_cutout(picture)
    assert colours[1] is not None
    assert expected is not None
    assert np.array_equal(colours[1], expected)


def test_a_new_network_sees_the_kept_photos_again(
    taught: Taught, bundle: Bundle, tmp_path: Path
) -> None:
    item = taught.save(Wish(title="Blots"), views(bundle, NEW))
    taught.store.close()
    with closing(sqlite3.connect(tmp_path / "taught" / FILE)) as connection, connection:
        connection.execute("update features set network = 'another'")
    newer = Bundle.open(bundle.path)
    restarted = Taught(tmp_path / "taught")
    restarted.use(newer)
    until_embedded()
    assert first(newer, NEW)[0] == item.sku
    with closing(sqlite3.connect(tmp_path / "taught" / FILE)) as connection:
        networks = connection.execute("select distinct network from features").fetchall()
    assert len(networks) == 1
    assert networks[0][0].startswith(newer.featurizer.network_id)


def test_one_damaged_photo_stops_no_other_when_the_network_changes(
    taught: Taught, bundle: Bundle, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is named in the log, as is whatever else goes wrong, and the others are found."""
    item = taught.save(Wish(title="Blots"), views(bundle, NEW))
    taught.store.close()
    with closing(sqlite3.connect(tmp_path / "taught" / FILE)) as connection, connection:
        connection.execute("update features set network = 'another'")
        connection.execute("update photos set jpeg = x'ffd8ff' where id = 1")
    newer = Bundle.open(bundle.path)
    Taught(tmp_path / "taught").use(newer)
    until_embedded()
    assert first(newer, NEW)[0] == item.sku
    assert len(newer.photos(item.sku)) == 2
    assert "taught photo 1 is left out" in caplog.text
    assert "Traceback" not in caplog.text


def test_a_photo_that_nobody_thought_of_is_left_out_and_told_in_full(
    taught: Taught,
    bundle: Bundle,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    taught.save(Wish(title="Blots"), views(bundle, NEW))
    describe, (failing, *others) = describing.features_of, taught.store.photos()
    damaged = taught.store.jpeg(failing.id)

    def fail(bundle: Bundle, jpeg: bytes) -> Features:
        if jpeg == damaged:
            raise RuntimeError("nobody thought of it")
        return describe(bundle, jpeg)

    monkeypatch.setattr(taught_module, "features_of", fail)
    made = taught._made(bundle, [photo.id for photo in taught.store.photos()])
    assert [photo for photo, _ in made] == [photo.id for photo in others]
    assert f"taught photo {failing.id} is left out" in caplog.text
    assert "Traceback" in caplog.text


@pytest.mark.parametrize("error", [RuntimeError, ShelfError])
def test_photos_are_joined_though_something_else_fails(
    taught: Taught,
    bundle: Bundle,
    error: type[Exception],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    item = taught.save(Wish(title="Blots"), views(bundle, NEW))
    taught.store.close()
    with closing(sqlite3.connect(tmp_path / "taught" / FILE)) as connection, connection:
        connection.execute("update features set network = 'another'")

    def fail(*given: object) -> None:
        raise error("nobody thought of it")

    monkeypatch.setattr(TaughtStore, "keep_features_of", fail)
    newer = Bundle.open(bundle.path)
    Taught(tmp_path / "taught").use(newer)
    until_embedded()
    assert first(newer, NEW)[0] == item.sku
    assert "nobody thought of it" in caplog.text
    assert ("Traceback" in caplog.text) is (error is RuntimeError)


def test_an_item_rests_while_the_catalogue_holds_it(
    taught: Taught, bundle: Bundle, tmp_path: Path, colour_grid: Featurizer, cache: Path
) -> None:
    sku = f"thing-{NEW:02}"
    taught.save(Wish(title="Blots", sku=sku), views(bundle, NEW))
    write_things(tmp_path / "more", NEW + 1, 4)
    build(read_source(tmp_path / "more").items, tmp_path / "more.bundle", colour_grid, cache, "M")
    newer = Bundle.open(tmp_path / "more.bundle")
    taught.use(newer)
    assert first(newer, NEW)[0] == sku
    assert len(newer.photos(sku)) == 4
    assert taught.items()[0].rests
    assert additions(newer, taught.store, taught._features, set()).photos == ()
    taught.confirm(sku, encode_jpeg(draw_thing(NEW, 9), 480), "sighting")  # "Right."
    taught.use(bundle)  # the device goes back
    assert first(bundle, NEW)[0] == sku
    assert not taught.items()[0].rests


def test_a_taught_thing_stays_known_where_the_catalogue_lists_it_without_a_photo(
    taught: Taught,
    bundle: Bundle,
    things: Path,
    tmp_path: Path,
    colour_grid: Featurizer,
    cache: Path,
) -> None:
    """By its views, and with what the catalogue says of it."""
    own = taught.save(Wish("4711", "Blots", "3 €"), views(bundle, NEW))
    listed = Item("4711", "Kombrado coffee", "4 €")
    sources = [*read_source(things).items, SourceItem(listed, ())]
    build(sources, tmp_path / "b", colour_grid, cache, "T", BuildOptions(read_text=False))
    newer = Bundle.open(tmp_path / "b")
    taught.use(newer)
    sku, confidence = first(newer, NEW)
    assert sku == "4711"
    assert confidence > 0.5
    assert newer.item("4711") == listed
    assert newer.find("coffee") == [listed]
    assert newer.find("blots") == []
    assert len(newer.photos("4711")) == 3
    (item,) = taught.items()
    assert (item.item, item.is_new, item.rests) == (listed, False, False)
    taught.use(bundle)  # the device goes back
    assert bundle.item("4711") == own
    assert (taught.items()[0].item, taught.items()[0].is_new) == (own, True)


def test_views_of_an_item_of_the_catalogue_show_its_own_photo(
    taught: Taught, bundle: Bundle
) -> None:
    before = bundle.photos("thing-02")
    taught.save(Wish(sku="thing-02"), views(bundle, NEW))  # it has another side
    assert first(bundle, NEW)[0] == "thing-02"
    assert bundle.photos("thing-02") == before
    picture = draw_thing(NEW, 9)
    found = bundle.identify(bundle.featurizer.embed([picture])[0], bundle.describe(picture))[0]
    assert found.photo == before[0].number


def test_what_was_taught_can_be_removed(taught: Taught, bundle: Bundle, tmp_path: Path) -> None:
    item = taught.save(Wish(title="Blots"), views(bundle, NEW))
    photos = taught.items()[0].photos
    assert taught.remove_photo(photos[0].id)
    assert not taught.remove_photo(photos[0].id)
    assert first(bundle, NEW)[0] == item.sku
    assert taught.remove_item(item.sku)
    assert not taught.remove_item(item.sku)
    assert first(bundle, NEW)[0] != item.sku
    assert bundle.item(item.sku) is None
    again = taught.save(Wish(title="Blots"), views(bundle, NEW))
    kept = {photo.id for photo in taught.items()[0].photos}
    assert kept.isdisjoint(photo.id for photo in photos), "browsers keep pictures by number"
    assert again.sku != item.sku


@pytest.mark.parametrize(
    "wish",
    [
        Wish(),
        Wish(title=" "),
        Wish(sku="absent"),
        Wish(title="Blots", sku="thing-02"),  # which is another thing in the catalogue
        Wish(title="a\nb" + "\0"),
        Wish(title="x" * 300),
        Wish(title="Blots", sku="../../etc"),
        Wish(title="Blots", sku=".hidden"),
        Wish(title="Blots", sku="s" * 300),
    ],
)
def test_a_wish_that_names_no_item_is_refused(taught: Taught, bundle: Bundle, wish: Wish) -> None:
    with pytest.raises(ContentError):
        taught.save(wish, views(bundle, NEW))
    assert taught.store.photos() == []
    with pytest.raises(ContentError):
        taught.save(Wish(title="Blots"), [])


def test_another_name_for_a_taught_number_is_refused(taught: Taught, bundle: Bundle) -> None:
    taught.save(Wish(title="Blots", sku="B-1"), views(bundle, NEW))
    with pytest.raises(ContentError, match="B-1 was taught already: “Blots”"):
        taught.save(Wish(title="Dots", sku="B-1"), views(bundle, NEW + 1))
    for wish in (Wish(sku="B-1"), Wish(title=" Blots ", sku="B-1", price="3 €")):
        item = taught.save(wish, views(bundle, NEW))
    assert (item.title, item.price) == ("Blots", "3 €")
    assert len(taught.store.photos()) == 9


def test_a_look_that_is_confirmed_meanwhile_keeps_no_old_name(
    taught: Taught, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    taught.save(Wish(title="Blots", sku="B-1"), views(bundle, NEW))
    make, changing = describing.new_photo, list[threading.Thread]()

    def slow(*given: Any) -> NewPhoto:
        changing.append(threading.Thread(target=taught.change, args=("B-1", Wish(title="Dots"))))
        changing[0].start()
        changing[0].join(0.2)  # long enough, if it did not wait
        return make(*given)

    monkeypatch.setattr(taught_module, "new_photo", slow)
    taught.confirm("B-1", encode_jpeg(draw_thing(NEW), 480), "sighting")
    changing[0].join()
    (item,) = taught.items()
    assert (item.item.title, len(item.photos)) == ("Dots", 4)


def test_a_name_may_hold_what_joins_and_directs_letters(taught: Taught, bundle: Bundle) -> None:
    for title in ("می\u200cکند", "\u200fكوب 280 ml", "👩\u200d🔧"):
        assert taught.save(Wish(title=title), views(bundle, NEW)).title == title


def test_there_are_bounds(taught: Taught, bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "MOST_ITEMS", 1)
    item = taught.save(Wish(title="Blots"), views(bundle, NEW))
    with pytest.raises(ContentError):
        taught.save(Wish(title="Others"), views(bundle, NEW + 1))
    for _ in range(MOST_PHOTOS_OF_ITEM // 3 - 1):
        taught.save(Wish(sku=item.sku), views(bundle, NEW))
    with pytest.raises(ContentError):
        taught.save(Wish(sku=item.sku), views(bundle, NEW))
    monkeypatch.setattr(store_module, "free_bytes", lambda folder: 1000)
    with pytest.raises(DiskFullError):
        taught.save(Wish(sku="thing-01"), views(bundle, NEW))


def test_a_confirmed_look_becomes_a_photo_and_the_most_different_stay(
    taught: Taught, bundle: Bundle
) -> None:
    def confirm(thing: int, number: int) -> bool:
        look = encode_jpeg(draw_thing(thing, number), 480)
        return taught.confirm("thing-01", look, f"sighting-{thing}-{number}")

    different = [confirm(NEW + other, 0) for other in range(MOST_CONFIRMED)]
    assert all(different)
    assert first(bundle, NEW)[0] == "thing-01"
    confirm(NEW, 1)  # nearly the same as one of them
    kept = [photo.sighting for photo in taught.store.photos()]
    assert len(kept) == MOST_CONFIRMED
    assert {f"sighting-{NEW + other}-0" for other in range(1, MOST_CONFIRMED)} <= set(kept)
    look = encode_jpeg(draw_thing(NEW, 2), 480)
    assert taught.confirm("thing-02", look, "of another item")
    assert len(taught.store.photos()) == MOST_CONFIRMED + 1, "each item has its own"
    with pytest.raises(ContentError):
        taught.confirm("absent", encode_jpeg(draw_thing(1), 480), "sighting")


def test_the_first_confirmed_look_is_the_photo_of_an_item_without_one(
    taught: Taught, things: Path, tmp_path: Path, colour_grid: Featurizer, cache: Path
) -> None:
    hidden = SourceItem(Item("4711", "Kombrado coffee"), ())
    sources = [*read_source(things).items, hidden]
    build(sources, tmp_path / "b", colour_grid, cache, "T", BuildOptions(read_text=False))
    bundle = Bundle.open(tmp_path / "b")
    taught.use(bundle)
    assert bundle.photos("4711") == []
    assert bundle.weigh_words([], ["Kombrado coffee"])[0].photo is None
    assert taught.confirm("4711", encode_jpeg(draw_thing(NEW, 8), 480), "sighting")
    assert first(bundle, NEW)[0] == "4711"
    (photo,) = bundle.photos("4711")
    assert (bundle.thumbnail(photo.number) or b"").startswith(b"\xff\xd8")
    assert bundle.weigh_words([], ["Kombrado coffee"])[0].photo == photo.number
    assert bundle.find("kombrado") == [hidden.item]
    assert not taught.items()[0].is_new
    taught.withdraw("sighting")
    assert bundle.photos("4711") == []


def test_a_look_is_confirmed_where_an_item_has_all_photos_that_it_may_have(
    taught: Taught, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "MOST_PHOTOS_OF_ITEM", 4)
    monkeypatch.setattr(taught_module, "MOST_PHOTOS_OF_ITEM", 4)
    taught.save(Wish(sku="thing-01"), views(bundle, NEW))
    for number in range(3):
        look = encode_jpeg(draw_thing(NEW + number), 480)
        taught.confirm("thing-01", look, f"sighting-{number}")
    kinds = [photo.kind for photo in taught.store.photos()]
    assert kinds == ["taught"] * 3 + ["confirmed"]
    assert first(bundle, NEW + 2, 0)[0] == "thing-01"


def test_another_verdict_on_a_sighting_takes_the_place_of_the_first(
    taught: Taught, bundle: Bundle
) -> None:
    look = encode_jpeg(draw_thing(NEW), 480)
    taught.confirm("thing-01", look, "sighting")
    taught.confirm("thing-02", look, "sighting")
    assert [photo.sku for photo in taught.store.photos()] == ["thing-02"]
    assert first(bundle, NEW)[0] == "thing-02"
    taught.withdraw("sighting", unless_of="thing-02")  # said again, and the look is gone
    assert [photo.sku for photo in taught.store.photos()] == ["thing-02"]
    taught.withdraw("sighting", unless_of="thing-01")
    assert taught.store.photos() == []


def test_nothing_can_be_taught_without_a_catalogue(tmp_path: Path) -> None:
    with pytest.raises(NoCatalogueError):
        Taught(tmp_path).save(Wish(title="Blots"), [])


def test_nothing_can_be_taught_with_a_catalogue_that_was_left(
    taught: Taught, bundle: Bundle
) -> None:
    bundle.close()
    with pytest.raises(NoCatalogueError, match="no catalogue is open"):
        taught.items()


def test_a_device_goes_on_where_nothing_can_be_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert open_taught(None) is None
    assert caplog.text == ""
    (tmp_path / "taught").touch()
    assert open_taught(tmp_path) is None
    assert "nothing can be taught: " in caplog.text
    (tmp_path / "taught").unlink()
    opened = open_taught(tmp_path)
    assert opened is not None
    assert opened.store.photos() == []


def test_a_look_that_is_not_kept_takes_the_place_of_what_was_said_before(
    taught: Taught, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = encode_jpeg(draw_thing(NEW), 480)
    assert taught.confirm("thing-02", look, "sighting")
    monkeypatch.setattr(taught, "_surplus", lambda *_: NEW_LOOK)  # it resembles another one most
    assert not taught.confirm("thing-01", look, "sighting")
    assert taught.store.photos() == []


def test_the_look_that_resembles_another_one_most_says_least() -> None:
    looks = np.array([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]], np.float32)
    assert least_telling(looks) == 2, "it is near to both"
    scales = np.array([[1.0], [0.001], [1.0]], np.float32)
    near = np.array([[1.0, 0.0], [0.9, 0.1], [0.8, 0.6]], np.float32)
    assert least_telling(near * scales) == 1, "whatever their scales"
    assert least_telling(looks[:2]) == 0, "of two the older one"
    assert least_telling(np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 0.0]], np.float32)) == 1


def test_a_damaged_file_is_put_aside(tmp_path: Path, bundle: Bundle) -> None:
    (tmp_path / FILE).write_bytes(np.random.default_rng(3).bytes(9000))
    taught = Taught(tmp_path)
    taught.use(bundle)
    taught.save(Wish(title="Blots"), views(bundle, NEW))
    assert len(list(tmp_path.glob(f"{FILE}.damaged-*"))) == 1


def test_a_file_that_another_process_holds_is_not_damaged(
    tmp_path: Path, taught: Taught, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state_database, "TIMEOUT_S", 0.05)
    path = tmp_path / "taught" / FILE
    taught.store.close()
    with closing(sqlite3.connect(path)) as holder:
        holder.execute("pragma locking_mode = exclusive")
        holder.execute("begin exclusive")
        with pytest.raises(ShelfError):
            TaughtStore(tmp_path / "taught")
    assert list(path.parent.glob("*.damaged-*")) == []


def test_views_of_an_item_of_the_catalogue_take_the_place_of_a_taught_item(tmp_path: Path) -> None:
    store = TaughtStore(tmp_path)
    photo = NewPhoto(b"jpeg", 8, 8, NOTHING_SEEN)
    store.save("4711", Item("4711", "Red blots"), [photo], "network")
    store.save("4711", None, [photo], "network", sighting="confirmed")
    assert [item.title for item in store.items()] == ["Red blots"]
    store.save("4711", None, [photo], "network")
    assert store.items() == []
    assert len(store.photos()) == 3
    store.close()


def test_a_change_that_cannot_be_kept_is_refused(taught: Taught, bundle: Bundle) -> None:
    item = taught.save(Wish(title="Red blots"), views(bundle, NEW))
    for wish in (
        Wish(title="x" * (LONGEST_TEXT + 1)),
        Wish(title="Blots", price="x" * (LONGEST_TEXT + 1)),
        Wish(title="Blots", sku="a/b"),
        Wish(title=" "),
    ):
        with pytest.raises(ContentError):
            changed_item(bundle, taught.store.items(), item, wish)


def test_what_a_network_makes_that_was_left_is_not_kept(taught: Taught, bundle: Bundle) -> None:
    taught.save(Wish(title="Red blots"), views(bundle, NEW))
    network = bundle.featurizer.network_id
    taught.store.keep_features_of("none")
    taught._network = "another"
    taught._keep_features(bundle, [photo.id for photo in taught.store.photos()])
    assert taught.store.features(network) == {}
    taught._network = network
    photos = [photo.id for photo in taught.store.photos()]
    taught._keep_features(bundle, photos)
    assert len(taught.store.features(network)) == 3
    taught.store.add_features("another", [(photos[0], NOTHING_SEEN)])
    taught._network = "another"
    taught._keep_features(bundle, [])
    assert len(taught.store.features("another")) == 1, "the newer one's are"


def test_a_bundle_that_was_left_is_not_joined(
    taught: Taught, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    joined: list[object] = []
    monkeypatch.setattr(bundle, "add", joined.append)
    network = taught._network
    for is_left in (False, True):
        taught._network = "another" if is_left else network
        taught._embed(bundle, [])
        assert len(joined) == 1
    taught._network = network
    bundle.close()
    taught._embed(bundle, [])
    assert len(joined) == 1


def test_what_cannot_be_written_is_said(taught: Taught) -> None:
    with closing(sqlite3.connect(taught.store.path)) as other:
        other.execute("drop table photos")
    with pytest.raises(ShelfError, match=f"{FILE}: cannot be written: no such table"):
        taught.store.remove_item("thing-00")


def test_a_disk_that_is_full_loses_nothing_and_is_said(tmp_path: Path) -> None:
    store = TaughtStore(tmp_path)
    item, small = Item("one", "One"), NewPhoto(b"jpeg", 3, 2, NOTHING_SEEN)
    numbers = store.save("one", item, [small], "network")
    (pages,) = store._connection.execute("pragma page_count").fetchone()
    store._connection.execute(f"pragma max_page_count = {pages + 2}")
    large = NewPhoto(bytes(10_000), 3, 2, NOTHING_SEEN)
    with pytest.raises(DiskFullError, match=f"{FILE}: cannot be written: .* full"):
        store.save("one", Item("one", "Two"), [large], "network")
    assert [photo.id for photo in store.photos()] == numbers
    assert store.items() == [item]
    store.remove_photos(numbers)
    assert (store.photos(), store.items()) == ([], [])
    store.close()
    with pytest.raises(ShelfError, match=f"{FILE}: cannot be read: .* closed"):
        store.photos()


def test_an_item_goes_with_its_last_photo_and_the_other_way_round(tmp_path: Path) -> None:
    store, photo = TaughtStore(tmp_path), NewPhoto(b"jpeg", 3, 2, NOTHING_SEEN)
    one, two = Item("one", "One"), Item("two", "Two")
    photos = store.save("one", one, [photo], "network", sighting="seen")
    store.save("two", two, [photo], "network", sighting="seen", instead_of=photos)
    assert store.items() == [two]
    store.remove_item("two")
    assert (store.items(), store.photos()) == ([], [])
    store.close()


def test_features_of_a_photo_that_was_removed_meanwhile_are_not_kept(tmp_path: Path) -> None:
    store = TaughtStore(tmp_path)
    photo = NewPhoto(b"jpeg", 3, 2, NOTHING_SEEN)
    gone, kept = store.save("one", Item("one", "One"), [photo, photo], "network")
    store.remove_photos([gone])
    store.add_features("newer", [(gone, NOTHING_SEEN), (kept, NOTHING_SEEN)])
    assert list(store.features("newer")) == [kept]
    store.keep_features_of("newer")
    assert store.features("network") == {}
    store.close()


def test_a_wish_is_an_item_of_the_catalogue_or_a_new_one(taught: Taught, bundle: Bundle) -> None:
    known = bundle.items.get("thing-00")
    assert known is not None
    for title in ("", known.title, f"  {known.title} "):
        assert wished_item(bundle, taught.store.items(), Wish(sku=" thing-00 ", title=title)) == (
            known,
            False,
        )
    item, is_new = wished_item(
        bundle, taught.store.items(), Wish("own", " Red  blots ", " 3 € ", " shelf ", {"a": "b"})
    )
    assert is_new
    assert item == Item("own", "Red blots", "3 €", "", "shelf", {"a": "b"})
    unnamed, _ = wished_item(bundle, taught.store.items(), Wish(title="Blots"))
    assert re.fullmatch(r"own-[0-9a-f]{8}", unnamed.sku)


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        (Wish(sku="thing-00", title="Other"), "The catalogue has the number thing-00 already"),
        (Wish(sku="x" * LONGEST_SKU, title="y" * LONGEST_TEXT), ""),
        (Wish(sku="x" * (LONGEST_SKU + 1), title="y"), "A number (SKU) has at most 100 characters"),
        (Wish(sku="x/y", title="y"), "no slashes"),
        (Wish(sku="x\\y", title="y"), "no slashes"),
        (Wish(sku=".x", title="y"), "no dot at its begin"),
        (Wish(sku="x.y", title="y"), ""),
        (Wish(sku="x\ny", title="y"), "A number (SKU) has at most"),
        (Wish(sku="x", title="y" * (LONGEST_TEXT + 1)), "A text has at most 200 characters"),
        (Wish(sku="x", title="y", price="3\n"), "in one line"),
        (Wish(sku="x", title="y", location="3\n"), "in one line"),
        (Wish(sku="x", title="y", attributes={"a": "b\nc"}), "in one line"),
        (Wish(sku="x", title=" "), "Give the thing a name, or choose an item"),
    ],
)
def test_a_wish_that_cannot_be_kept_is_refused(
    taught: Taught, bundle: Bundle, wish: Wish, said: str
) -> None:
    if said:
        with pytest.raises(ContentError, match=re.escape(said)):
            wished_item(bundle, taught.store.items(), wish)
    else:
        assert wished_item(bundle, taught.store.items(), wish)[0].sku == wish.sku


def test_what_was_taught_before_gives_the_fields_that_are_not_said(
    taught: Taught, bundle: Bundle
) -> None:
    first_wish = Wish("own", "Blots", "3 €", "shelf", {"a": "b"})
    taught.save(first_wish, views(bundle, NEW)[:1])
    again, is_new = wished_item(bundle, taught.store.items(), Wish("own", attributes={"c": "d"}))
    assert is_new
    assert again == Item("own", "Blots", "3 €", "", "shelf", {"a": "b", "c": "d"})
    with pytest.raises(ContentError, match="The number own was taught already: “Blots”"):
        wished_item(bundle, taught.store.items(), Wish("own", "Other"))
    (item,) = taught.items()
    assert (item.item.sku, item.is_new, item.rests, len(item.photos)) == ("own", True, False, 1)


@pytest.mark.parametrize(
    ("bound", "said"),
    [
        ("MOST_ITEMS", "1 items are taught already"),
        ("MOST_PHOTOS_OF_ITEM", "This item has 1 photos of this device already, and at most 2 are"),
        ("MOST_PHOTOS", "2 photos are kept already"),
    ],
)
def test_as_much_is_kept_as_the_bounds_allow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bound: str, said: str
) -> None:
    store = TaughtStore(tmp_path)

    def save(sku: str, photos: int, instead_of: Sequence[int] = ()) -> list[int]:
        new = [NewPhoto(b"jpeg", 3, 2, NOTHING_SEEN)] * photos
        return store.save(sku, Item(sku, sku), new, "network", instead_of=instead_of)

    (first_photo,) = save("one", 1)
    limit = 1 if bound == "MOST_ITEMS" else 2
    monkeypatch.setattr(store_module, bound, limit)
    if bound == "MOST_ITEMS":
        save("one", 1)
        with pytest.raises(ContentError, match=said):
            save("two", 1)
    else:
        with pytest.raises(ContentError, match=said):
            save("one", 2)
        assert len(save("one", 2, [first_photo])) == 2, "the place of one that goes is free"
    assert len(store.photos()) == 2
    store.close()


def test_what_was_saved_survives_a_power_cut(tmp_path: Path) -> None:
    store = TaughtStore(tmp_path)
    assert store._connection.execute("pragma synchronous").fetchone() == (2,)  # full
    store.close()


def test_what_was_read_of_a_photo_comes_back_whole(tmp_path: Path) -> None:
    picture = np.random.default_rng(1).integers(0, 256, (200, 200, 3), np.uint8)
    local = extract_local_features(picture, 20)
    kinds = [
        Descriptors(np.arange(256, dtype=np.uint8), local),
        Descriptors(np.arange(256, dtype=np.uint8), local, np.full(256, 3, np.uint8)),
    ]
    store = TaughtStore(tmp_path)
    photos = [NewPhoto(b"jpeg", 3, 2, Features(np.ones(3, np.float32), kind)) for kind in kinds]
    numbers = store.save("one", Item("one", "One"), photos, "network")
    found = store.features("network")
    store.close()
    assert sorted(found) == numbers
    for number, kind in zip(numbers, kinds, strict=True):
        read = found[number].descriptors
        assert np.array_equal(found[number].raw, np.ones(3))
        assert np.array_equal(read.colours, kind.colours)
        assert read.local_features is not None
        assert read.local_features.to_bytes() == local.to_bytes() != b""
        assert (read.thing_colours is None) == (kind.thing_colours is None)
