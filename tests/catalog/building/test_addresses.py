"""Photos that are named by their http(s) addresses."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from catalog.building.addresses import PATIENCE, TRIES, AddressCache, Pauses
from catalog.building.cache import FeatureCache
from catalog.building.features import FeaturizedPhoto, SkippedPhoto, featurize
from catalog.core.errors import NetworkError
from catalog.networks.featurizer import Featurizer
from catalog.sources.read import read_source
from tests.conftest import Surroundings
from tests.support.drawing import draw_thing, png
from tests.support.picture_server import Picture, PictureServer, serving

pytestmark = pytest.mark.slow  # servers of photos

OLD, NEW = png(draw_thing(1)), png(draw_thing(2))
CHANGED = "Sun, 29 Nov 2026 10:00:00 GMT"


class SimulatedPauses(Pauses):
    """A clock that each wait puts forward."""

    def __init__(self) -> None:
        self.time = 0.0
        self.waited: list[float] = []

    def now(self) -> float:
        """Return the simulated time."""
        return self.time

    def wait(self, seconds: float, stopped: threading.Event | None) -> None:
        """Note the seconds, and let them pass at once."""
        if seconds:
            self.waited.append(seconds)
        self.time += seconds


@pytest.fixture
def server() -> Iterator[PictureServer]:
    """A server of pictures."""
    with serving() as server:
        yield server


@pytest.fixture
def pauses() -> SimulatedPauses:
    """A simulated clock."""
    return SimulatedPauses()


@pytest.fixture
def fetch(
    server: PictureServer, tmp_path: Path, pauses: SimulatedPauses
) -> Callable[..., tuple[bytes, int]]:
    """Fetches a path of the server as a build does; also returns what could not be confirmed."""

    def fetched(path: str = "/1.png", *, refetch: bool = False) -> tuple[bytes, int]:
        cache = AddressCache(tmp_path / "kept", refetch=refetch, pauses=pauses)
        with closing(cache):
            content = cache.fetch(server.address + path)
            assert cache.fetch(server.address + path) == content
        return content, cache.unconfirmed

    return fetched


Fetch = Callable[..., tuple[bytes, int]]


@pytest.mark.parametrize(
    "headers",
    [{"ETag": '"{}"'}, {"ETag": 'W/"{}"'}, {"Last-Modified": CHANGED}],
    ids=["strong", "weak", "time"],
)
def test_a_changed_picture_arrives_and_an_unchanged_one_is_not_sent_again(
    server: PictureServer, fetch: Fetch, headers: dict[str, str]
) -> None:
    """A build asks once, however often it needs the picture."""
    said = {name: value.format(1) for name, value in headers.items()}
    server.pictures["/1.png"] = Picture(OLD, said)
    assert fetch() == fetch() == (OLD, 0)
    said = {name: value.format(2).replace("10:", "11:") for name, value in headers.items()}
    server.pictures["/1.png"] = Picture(NEW, said)
    assert fetch() == fetch() == (NEW, 0)
    assert [status for _, status in server.answered] == [200, 304, 200, 304]


def test_a_server_that_says_nothing_is_asked_again_only_when_told(
    server: PictureServer, fetch: Fetch
) -> None:
    server.pictures["/1.png"] = Picture(OLD)
    assert fetch() == fetch() == (OLD, 0)
    server.pictures["/1.png"] = Picture(NEW)
    assert fetch() == (OLD, 0)
    assert fetch(refetch=True) == (NEW, 0)
    assert [status for _, status in server.answered] == [200, 200]


def test_a_picture_of_an_earlier_version_is_asked_for_once(
    server: PictureServer, fetch: Fetch, tmp_path: Path
) -> None:
    """Earlier versions did not note what the server said."""
    server.pictures["/1.png"] = Picture(OLD)
    fetch()
    (note,) = (tmp_path / "kept").glob("*.json")
    note.write_text("{")
    server.pictures["/1.png"] = Picture(NEW)
    assert fetch() == fetch() == (NEW, 0)
    assert len(server.answered) == 2


@pytest.mark.parametrize("content", [b"<html>log in first</html>", None], ids=["page", "404"])
def test_a_picture_that_cannot_be_fetched_again_stays_as_it_was(
    server: PictureServer, fetch: Fetch, content: bytes | None
) -> None:
    server.pictures["/1.png"] = Picture(OLD, {"ETag": "1"})
    fetch()
    server.pictures.pop("/1.png")
    if content is not None:
        server.pictures["/1.png"] = Picture(content, {"ETag": "2"})
    assert fetch() == (OLD, 1)


def test_one_picture_that_breaks_off_keeps_no_other_from_arriving(
    server: PictureServer, tmp_path: Path
) -> None:
    addresses = [f"{server.address}/{number}.png" for number in range(2)]
    server.pictures = {f"/{number}.png": Picture(OLD, {"ETag": "1"}) for number in range(2)}
    with closing(AddressCache(tmp_path)) as cache:
        assert [cache.fetch(address) for address in addresses] == [OLD, OLD]
    server.pictures["/0.png"] = Picture(NEW, {"ETag": "2"}, missing=10)
    server.pictures["/1.png"] = Picture(NEW, {"ETag": "2"})
    with closing(AddressCache(tmp_path)) as cache:
        assert [cache.fetch(address) for address in addresses] == [OLD, NEW]
        assert cache.unconfirmed == 1


def test_without_network_all_fetched_pictures_are_used_and_the_host_is_tried_once(
    tmp_path: Path, pauses: SimulatedPauses, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving() as server:
        addresses = [f"{server.address}/{number}.png" for number in range(3)]
        server.pictures = {f"/{n}.png": Picture(OLD, {"ETag": "1"}) for n in range(3)}
        with closing(AddressCache(tmp_path)) as cache:
            for address in addresses:
                cache.fetch(address)
    tried = []
    receive = AddressCache._receive

    def counted(cache: AddressCache, address: str, *rest: object) -> bytes:
        tried.append(address)
        return receive(cache, address, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(AddressCache, "_receive", counted)
    with closing(AddressCache(tmp_path, pauses=pauses)) as cache:
        assert [cache.fetch(address) for address in addresses] == [OLD, OLD, OLD]
        assert cache.unconfirmed == 3
    assert tried == addresses[:1]
    assert pauses.waited == []


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("headers", "waited"),
    [
        ({"Retry-After": "30"}, 30),
        ({"Retry-After": "Sun, 29 Nov 2026 10:01:00 GMT", "Date": CHANGED}, 60),
        ({"Retry-After": CHANGED, "Date": CHANGED}, 0),
        ({}, 1),
        ({"Retry-After": "soon"}, 1),
    ],
)
def test_a_busy_server_is_asked_again_when_it_says(
    server: PictureServer,
    fetch: Fetch,
    pauses: SimulatedPauses,
    status: int,
    headers: dict[str, str],
    waited: float,
) -> None:
    server.pictures["/1.png"] = Picture(OLD, refusals=[(status, headers)])
    assert fetch() == (OLD, 0)
    assert sum(pauses.waited) == waited
    assert [answer for _, answer in server.answered] == [status, 200]


def test_other_photos_wait_for_a_busy_host_too(
    server: PictureServer, tmp_path: Path, pauses: SimulatedPauses
) -> None:
    busy = (503, {"Retry-After": "10"})
    server.pictures = {"/1.png": Picture(OLD, refusals=[busy] * TRIES), "/2.png": Picture(NEW)}
    with closing(AddressCache(tmp_path, pauses=pauses)) as cache:
        with pytest.raises(NetworkError, match=r"answered 503 and wants to be asked again in 10 s"):
            cache.fetch(f"{server.address}/1.png")
        assert pauses.waited == [10.0] * (TRIES - 1)
        assert cache.fetch(f"{server.address}/2.png") == NEW


def test_nobody_waits_for_hours(
    server: PictureServer, fetch: Fetch, pauses: SimulatedPauses
) -> None:
    late = (429, {"Retry-After": str(int(PATIENCE) + 1)})
    server.pictures["/1.png"] = Picture(OLD, refusals=[late])
    with pytest.raises(NetworkError, match=r"asked again in 301 s; build again later"):
        fetch()
    assert pauses.waited == []


def test_waiting_ends_when_the_build_is_stopped(server: PictureServer, tmp_path: Path) -> None:
    server.pictures["/1.png"] = Picture(OLD, refusals=[(503, {"Retry-After": "200"})])
    stopped = threading.Event()

    class Stopping(Pauses):
        def wait(self, seconds: float, stopped: threading.Event | None) -> None:
            assert stopped is not None
            if seconds:
                stopped.set()  # as Ctrl-C does meanwhile
            super().wait(seconds, stopped)

    with (
        closing(AddressCache(tmp_path, pauses=Stopping())) as cache,
        pytest.raises(NetworkError, match="the build was stopped"),
    ):
        cache.fetch(f"{server.address}/1.png", stopped)


def test_a_redirection_is_followed(server: PictureServer, fetch: Fetch) -> None:
    moved = (302, {"Location": "/2.png"})
    server.pictures = {"/1.png": Picture(b"", refusals=[moved]), "/2.png": Picture(OLD)}
    assert fetch() == (OLD, 0)


def test_a_failed_fetch_is_not_kept(server: PictureServer, fetch: Fetch, tmp_path: Path) -> None:
    server.pictures["/cut.png"] = Picture(OLD, missing=10)
    for path in ("/absent.png", "/cut.png"):
        for _ in range(2):
            with pytest.raises(NetworkError, match=server.address):
                fetch(path)
    assert [path for path, _ in server.answered] == ["/absent.png"] * 2 + ["/cut.png"] * 2
    assert not list(tmp_path.rglob("*"))


@pytest.mark.parametrize(
    ("written", "asked"),
    [
        ("{}/my photo.png", "/my%20photo.png"),
        ("{}/ü/图.png", "/%C3%BC/%E5%9B%BE.png"),
        ("{}/a.png?size=1|2", "/a.png?size=1|2"),
        ("{}/a%20b.png", "/a%20b.png"),
    ],
)
def test_an_address_is_asked_for_as_a_browser_would(
    server: PictureServer, tmp_path: Path, written: str, asked: str
) -> None:
    server.pictures[asked] = Picture(OLD)
    address = written.format(server.address.replace("http", "HTTP"))
    (tmp_path / "items.csv").write_text(f"sku,photo\nA,{address}\n", encoding="utf-8")
    (entry,) = read_source(tmp_path / "items.csv").items
    with closing(AddressCache(tmp_path / "kept")) as cache:
        assert [cache.fetch(place) for place in entry.photos] == [OLD]


def test_a_build_fetches_what_has_changed(
    server: PictureServer, surroundings: Surroundings, featurizer_folder: Path
) -> None:
    """And says which pictures are of an earlier time, as they cannot be fetched now."""
    for number in range(2):
        content = png(draw_thing(number))
        server.pictures[f"/{number}.png"] = Picture(content, {"ETag": f"{number}"})
    rows = "".join(f"{number},{server.address}/{number}.png\n" for number in range(2))
    (surroundings.folder / "items.csv").write_text(f"sku,photo\n{rows}")
    words = (
        "catalog", "build", "items.csv", "--out", "shop", "--model", featurizer_folder,
    )  # fmt: skip
    assert surroundings.run(*words).returncode == 0
    server.pictures["/0.png"] = Picture(png(draw_thing(9)), {"ETag": "9"})
    del server.pictures["/1.png"]
    server.answered.clear()
    done = surroundings.run(*words, "--refetch")
    assert done.returncode == 0, done.stderr
    assert "2 photos (1 reused)" in done.stdout
    assert "1 photo by address is as fetched earlier" in done.stdout
    assert sorted(server.answered) == [("/0.png", 200), ("/1.png", 404)]


def test_addresses_that_fail_are_left_out_with_their_reason(
    server: PictureServer, tmp_path: Path, colour_grid: Featurizer
) -> None:
    server.pictures["/thing.png"] = Picture(OLD)
    server.pictures["/page.png"] = Picture(b"<html>log in first</html>")
    places = [
        f"{server.address}/thing.png",
        f"{server.address}/absent.png",
        f"{server.address}/page.png",
        "http://127.0.0.1:1/refused.png",
        "http://[half/an/address.png",
        str(tmp_path / "absent.png"),
    ]
    cache = FeatureCache(tmp_path / "cache")
    good, *bad = featurize(places, colour_grid, cache)
    cache.close()
    assert isinstance(good, FeaturizedPhoto)
    assert all(isinstance(result, SkippedPhoto) for result in bad)
    assert [result.name for result in bad if isinstance(result, SkippedPhoto)] == places[1:]
    reasons = [result.reason for result in bad if isinstance(result, SkippedPhoto)]
    assert reasons[0] == "the server answered 404"
    assert reasons[1] == "not a picture that can be read"
    assert "refused" in reasons[2]
    assert reasons[4] == "No such file or directory"
