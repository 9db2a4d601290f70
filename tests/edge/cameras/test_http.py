"""Cameras over HTTP: streams as cameras really send them, single pictures, and refusals."""

from __future__ import annotations

import itertools
import queue
import re
import socket
import threading
from collections.abc import Iterator

import pytest

from edge.cameras import Camera, CameraReader, CameraSettings, CameraState, open_camera
from edge.errors import CameraError
from tests.edge.cameras.test_reader import SimulatedClock
from tests.support.brokers import until
from tests.support.http_camera import EACH_SIZE, SIZES, HttpCamera
from tests.support.rtsp_camera import film
from tests.support.stopwatch import Stopwatch

pytestmark = pytest.mark.slow  # servers of cameras that misbehave

PATIENCE = 60.0  # real seconds until a test gives up
SETTINGS = CameraSettings(open_timeout_s=PATIENCE, read_timeout_s=PATIENCE)
SHORT = CameraSettings(open_timeout_s=0.6, read_timeout_s=0.6)
NEARLY_SHORT = CameraSettings(open_timeout_s=1.5, read_timeout_s=0.6)  # it has to be opened
AS_WRITTEN = "admin:p@ss/w#rd!%41"
ENCODED = "admin:p%40ss%2Fw%23rd%21%2541"


@pytest.fixture
def served() -> Iterator[HttpCamera]:
    camera = HttpCamera()
    yield camera
    camera.close()


def levels(camera: Camera, count: int) -> list[int]:
    """The greys of the next pictures; then the camera is closed."""
    try:
        return [int(camera.read().mean()) for _ in range(count)]
    finally:
        camera.close()


@pytest.mark.parametrize(
    "path",
    ["/live", "/no-first", "/dashes", "/other-boundary", "/no-length", "/no-type", "/bare",
     "/thumbnails", "/moved"],
)  # fmt: skip
def test_every_picture_of_a_stream_is_shown_whatever_stands_between(
    served: HttpCamera, path: str
) -> None:
    assert levels(open_camera(served.address(path), SETTINGS), 5) == [0, 5, 10, 15, 20]


def test_pictures_that_are_cut_short_are_left_out(served: HttpCamera) -> None:
    assert levels(open_camera(served.address("/cut"), SETTINGS), 3) == [0, 10, 20]


def test_after_a_change_of_size_no_old_picture_is_shown(served: HttpCamera) -> None:
    camera = open_camera(served.address("/resize"), SETTINGS)
    pictures = [camera.read() for _ in range(3 * EACH_SIZE)]
    camera.close()
    sizes = [picture.shape[1::-1] for picture in pictures]
    assert sizes == [size for size in SIZES for _ in range(EACH_SIZE)]
    assert [int(picture.mean()) for picture in pictures] == list(range(0, 75, 5))


@pytest.mark.parametrize("path", ["/snapshot.jpg", "/snapshot.png", "/hang-up.jpg"])
def test_a_single_picture_is_asked_for_again_and_again_at_fps(
    served: HttpCamera, path: str
) -> None:
    settings = CameraSettings(fps=100, read_timeout_s=PATIENCE)
    shown = levels(open_camera(served.address(path), settings), 4)
    assert shown == [0, 5, 10, 15]
    assert served.requests == [path] * 4


@pytest.mark.parametrize("path", ["/one", "/one-untold", "/one-part"])
def test_a_single_picture_is_known_without_being_called_one(served: HttpCamera, path: str) -> None:
    settings = CameraSettings(fps=100, read_timeout_s=PATIENCE)
    assert levels(open_camera(served.address(path), settings), 4) == [90] * 4
    assert served.requests == [path] * 4


def test_a_stream_that_ends_is_not_asked_for_again(served: HttpCamera) -> None:
    with pytest.raises(CameraError, match="ended its stream"):
        levels(open_camera(served.address("/two-parts"), SETTINGS), 3)
    assert served.requests == ["/two-parts"]


def test_more_pixels_than_any_camera_has_are_not_decoded(
    served: HttpCamera, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.cameras.http.MOST_PIXELS", 64 * 48 - 1)
    camera = open_camera(served.address("/live"), SETTINGS)
    assert camera.read().shape == (24, 32, 3)
    camera.close()
    camera = open_camera(served.address("/snapshot.png"), SETTINGS)
    with pytest.raises(CameraError, match="64 x 48 pixels are too many"):
        levels(camera, 1)
    monkeypatch.setattr("edge.cameras.stream.LIMITS", {"max_pixels": str(64 * 48 - 1)})
    served.video = b"".join(film([((64, 48), [50] * 30)]))
    camera = open_camera(served.address("/video"), SETTINGS)
    with pytest.raises(CameraError, match="more than 40 megapixels"):
        levels(camera, 1)


@pytest.mark.parametrize("path", ["/basic", "/digest", "/moved-to-digest"])
@pytest.mark.parametrize("credentials", [AS_WRITTEN, ENCODED])
def test_a_password_of_any_characters_opens_raw_and_encoded(
    served: HttpCamera, path: str, credentials: str
) -> None:
    assert levels(open_camera(served.address(path, credentials), SETTINGS), 1) == [0]


def test_the_password_is_sent_when_asked_for_and_never_to_another_host(served: HttpCamera) -> None:
    assert levels(open_camera(served.address("/live", AS_WRITTEN), SETTINGS), 1) == [0]
    other = HttpCamera()
    served.elsewhere = other.address("/basic")
    with pytest.raises(CameraError, match="refuses the user and password"):
        open_camera(served.address("/elsewhere", AS_WRITTEN), SETTINGS)
    other.close()
    assert other.requests
    assert other.passwords == []


def test_a_camera_sends_on_to_no_other_host(served: HttpCamera) -> None:
    other = HttpCamera()
    served.elsewhere = other.address("/live").replace("127.0.0.1", "localhost")
    with pytest.raises(CameraError, match="it sends to another address"):
        open_camera(served.address("/elsewhere"), SETTINGS)
    with pytest.raises(CameraError, match="sends no video and no pictures"):
        open_camera(served.address("/turncoat"), SETTINGS)  # it sends on FFmpeg
    served.kind_of_video = "application/vnd.apple.mpegurl"
    served.video = b"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n%s\n#EXT-X-ENDLIST\n" % (
        other.address("/video.ts").encode()
    )
    with pytest.raises(CameraError, match="it sends a list of videos"):
        open_camera(served.address("/video"), SETTINGS)
    other.close()
    assert other.requests == []


NEW_DIGEST = 'Digest realm="a", nonce="b", algorithm=SHA-512-256, qop="auth"'
OLD_DIGEST = 'Digest Realm="a, b", nonce="b=", opaque=, algorithm=md5, qop="auth-int, auth"'


@pytest.mark.parametrize(
    ("challenges", "answer"),
    [
        ([NEW_DIGEST, OLD_DIGEST, 'Basic realm="a"'], 'Digest .*realm="a, b".*qop=auth,'),
        ([f'Basic realm="a", {NEW_DIGEST}, {OLD_DIGEST}'], "Digest .*algorithm=md5"),
        (["Negotiate", 'BASIC realm = "a"'], "Basic "),
        (["Basic"], "Basic "),
    ],
)
def test_the_password_is_sent_by_the_best_way_that_is_known(
    served: HttpCamera, challenges: list[str], answer: str
) -> None:
    served.challenges = challenges
    assert levels(open_camera(served.address("/asks", AS_WRITTEN), SETTINGS), 1) == [0]
    (sent,) = served.passwords
    assert re.match(answer, sent)


@pytest.mark.parametrize(
    "challenges",
    [
        [NEW_DIGEST],
        [NEW_DIGEST, 'Basic realm="a"'],
        ['Digest realm="a", nonce="b", qop="auth-int"'],
        ['Digest realm="a"'],
        ["Negotiate", "Bearer abc=="],
        [],
    ],
)
def test_no_password_is_sent_in_a_way_that_was_not_asked_for(
    served: HttpCamera, challenges: list[str]
) -> None:
    served.challenges = challenges
    with pytest.raises(CameraError, match="in a way that is not supported"):
        open_camera(served.address("/asks", AS_WRITTEN), SETTINGS)
    assert served.passwords == []


def test_a_video_over_http_is_decoded_by_ffmpeg(served: HttpCamera) -> None:
    served.video = b"".join(film([((64, 48), [50] * 30), ((96, 80), [150] * 30)]))
    camera = open_camera(served.address("/video"), SETTINGS)
    sizes = {camera.read().shape for _ in range(50)}
    camera.close()
    assert sizes == {(48, 64, 3), (80, 96, 3)}


@pytest.mark.parametrize(
    ("path", "credentials", "says"),
    [
        ("/basic", "", "asks for a user and password"),
        ("/digest", "", "asks for a user and password"),
        ("/basic", "admin:geheim", "refuses the user and password"),
        ("/digest", "admin:geheim", "refuses the user and password"),
        ("/status/403", "", "does not let this user"),
        ("/missing", "", "nothing at this path"),
        ("/status/503", "", "it is busy"),
        ("/status/500", "", "answers with status 500"),
        ("/login", "", "a web page answers"),
        ("/login-untold", "", "a web page answers"),
        ("/settings.json", "", "sends no video and no pictures"),
        ("/in-circles", "", "from one address to the next"),
        ("/packed.jpg", "", "it sends compressed data"),
    ],
)
def test_each_refusal_has_a_sentence_of_its_own(
    served: HttpCamera, path: str, credentials: str, says: str
) -> None:
    with pytest.raises(CameraError, match=f"cannot be opened: .*{says}") as caught:
        open_camera(served.address(path, credentials), SETTINGS)
    assert "geheim" not in str(caught.value)


def test_an_address_that_no_client_can_send_is_told() -> None:
    with pytest.raises(CameraError, match=r"cannot be opened: .*check scheme, port and path"):
        open_camera("http://127.0.0.1/\x01", SETTINGS)


@pytest.mark.parametrize("scheme", ["http", "https", "rtsp", "rtsps"])
def test_a_host_that_refuses_or_is_unknown_is_told_apart(scheme: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(CameraError, match="nothing listens at this port"):
        open_camera(f"{scheme}://127.0.0.1:{port}/x", SETTINGS)
    with pytest.raises(CameraError, match="no device has this name"):
        open_camera(f"{scheme}://nobody.invalid/x", SETTINGS)


def test_an_https_address_of_a_camera_without_tls_is_told(served: HttpCamera) -> None:
    with pytest.raises(CameraError, match=r"encrypted connection \(TLS\) fails"):
        open_camera(served.address("/live").replace("http:", "https:"), SETTINGS)


@pytest.mark.parametrize("scheme", ["http", "rtsp", "rtsps"])
def test_a_camera_that_says_nothing_is_told(scheme: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        place = f"127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(CameraError, match=r"does not answer within 0\.6 s"):
            open_camera(f"{scheme}://{place}/x", SHORT)


@pytest.mark.parametrize("path", ["/stall", "/trickle", "/garbage"])
def test_a_stream_without_pictures_is_an_error_within_its_limit(
    served: HttpCamera, path: str
) -> None:
    camera = open_camera(served.address(path), NEARLY_SHORT)
    with Stopwatch() as reading, pytest.raises(CameraError, match=r"sent nothing|no JPEG"):
        levels(camera, 6)
    assert reading.seconds < 2.5


def test_a_video_that_stops_while_its_sound_goes_on_is_an_error(served: HttpCamera) -> None:
    settings = CameraSettings(open_timeout_s=PATIENCE, read_timeout_s=0.6)
    camera = open_camera(served.address("/sound-goes-on"), settings)
    with Stopwatch() as reading, pytest.raises(CameraError, match="sent nothing"):
        levels(camera, 60)
    assert reading.seconds < 5


class _Proxy:
    """A proxy that refuses everything, and remembers that it was asked."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []
        self._server = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._server.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            with connection:
                self.asked.append(connection.recv(4096))
                connection.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")

    def close(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[_Proxy]:
    """The environment names a proxy for everything."""
    proxy = _Proxy()
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, proxy.address)
    monkeypatch.setenv("no_proxy", "")
    yield proxy
    proxy.close()


@pytest.mark.parametrize("scheme", ["http", "rtsps"])
def test_a_camera_in_the_local_network_goes_through_no_proxy(
    served: HttpCamera, proxy: _Proxy, scheme: str
) -> None:
    if scheme == "http":
        served.video = b"".join(film([((64, 48), [50] * 30)]))
        assert levels(open_camera(served.address("/live"), SETTINGS), 1) == [0]
        open_camera(served.address("/video"), SETTINGS).close()  # FFmpeg's own connection
    else:
        with pytest.raises(CameraError, match="cannot be opened"):
            open_camera(served.address("/live").replace("http:", "rtsps:"), SETTINGS)
    assert proxy.asked == []


def test_a_camera_of_the_internet_goes_through_the_proxy_and_its_refusal_is_told(
    proxy: _Proxy,
) -> None:
    with pytest.raises(
        CameraError, match=r"through the proxy 127\.0\.0\.1:.* the environment names"
    ):
        open_camera("http://192.0.43.7/video", SETTINGS)
    assert len(proxy.asked) == 1


def test_a_proxy_of_another_kind_is_refused_with_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "gopher://user:geheim@proxy:70")
    with pytest.raises(CameraError, match=r"proxy:70 .* not supported") as caught:
        open_camera("http://192.0.43.7/video", SETTINGS)
    assert "geheim" not in str(caught.value)


def test_a_still_scene_is_not_frozen(served: HttpCamera) -> None:
    news: queue.Queue[CameraState] = queue.Queue()
    clock = SimulatedClock()
    settings = CameraSettings(read_timeout_s=1000, open_timeout_s=1000)
    with CameraReader(served.address("/still-scene"), settings, news.put, clock=clock) as reader:
        assert news.get(timeout=PATIENCE).status == "online"
        for wanted in itertools.islice(itertools.count(2), 30):  # a minute of equal pictures
            clock.now += 2
            until(lambda wanted=wanted: reader._sequence >= wanted)  # type: ignore[misc]
        assert reader.state.status == "online"
        assert news.empty()
