"""A network camera on loopback that sends what cameras really send, right and wrong."""

from __future__ import annotations

import base64
import contextlib
import gzip
import hashlib
import http.server
import io
import re
import threading
from collections.abc import Callable, Iterator
from typing import cast

import av
import cv2
import numpy as np
from av.video.stream import VideoStream

USER, PASSWORD = "admin", "p@ss/w#rd!%41"
BETWEEN_S = 0.01  # two pictures
SIZES = ((64, 48), (96, 72), (48, 64))
EACH_SIZE = 5  # pictures


def jpeg(level: int, size: tuple[int, int] = SIZES[0], *, thumbnail: bool = False) -> bytes:
    """A JPEG of one grey; with a thumbnail in its header it holds another whole JPEG."""
    data = cv2.imencode(".jpg", np.full((size[1], size[0], 3), level, np.uint8))[1].tobytes()
    if not thumbnail:
        return data
    inner = b"Thumbnail\0" + data
    return data[:2] + b"\xff\xef" + (len(inner) + 2).to_bytes(2, "big") + inner + data[2:]


def part(picture: bytes, boundary: bytes = b"frame", *, length: bool = True) -> bytes:
    """One part of a multipart answer."""
    size = b"Content-Length: %d\r\n" % len(picture) if length else b""
    return (
        b"--" + boundary + b"\r\nContent-Type: image/jpeg\r\n" + size + b"\r\n" + picture + b"\r\n"
    )


def levels() -> Iterator[int]:
    """Greys that rise from picture to picture."""
    while True:
        yield from range(0, 250, 5)


def _without_first_boundary() -> Iterator[bytes]:
    for level in levels():
        picture = jpeg(level)
        yield b"Content-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(picture)
        yield picture + b"\r\n--e8b8\r\n"


def _every_second_cut() -> Iterator[bytes]:
    for number, level in enumerate(levels()):
        picture = jpeg(level)
        yield part(picture[: len(picture) // 2] if number % 2 else picture)


def _changing_size() -> Iterator[bytes]:
    for number, level in enumerate(levels()):
        yield part(jpeg(level, SIZES[number // EACH_SIZE % len(SIZES)]))


def _garbage() -> Iterator[bytes]:
    while True:
        yield b"\0" * (1 << 20)


def _sound_goes_on() -> Iterator[bytes]:
    with_video, sound = _film_that_turns_into_sound()
    yield with_video
    while True:
        for start in range(0, len(sound), 1880):  # ten packets of MPEG-TS
            yield sound[start : start + 1880]


def _film_that_turns_into_sound() -> tuple[bytes, bytes]:
    """MPEG-TS of video and sound, and how it goes on with sound alone."""
    file = io.BytesIO()
    with av.open(file, "w", format="mpegts") as container:
        video = cast(VideoStream, container.add_stream("mpeg2video", rate=25))
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        audio = container.add_stream("mp2", rate=48_000)
        at = 0
        for picture in range(50):
            grey = np.full((48, 64, 3), picture, np.uint8)
            container.mux(video.encode(av.VideoFrame.from_ndarray(grey, format="bgr24")))
            for at in range(2 * picture, 2 * picture + 2):
                container.mux(audio.encode(_silence(at)))
        container.mux(video.encode())
        end = file.tell()
        for later in range(at + 1, at + 500):
            container.mux(audio.encode(_silence(later)))
    data = file.getvalue()
    return data[:end], data[end:]


def _silence(number: int) -> av.AudioFrame:
    frame = av.AudioFrame.from_ndarray(
        np.zeros((1, 1152 * 2), np.int16), format="s16", layout="stereo"
    )
    frame.sample_rate, frame.pts = 48_000, number * 1152
    return frame


MULTIPART = "multipart/x-mixed-replace"
STREAMS: dict[str, tuple[str, Callable[[], Iterator[bytes]]]] = {
    "/live": (f"{MULTIPART}; boundary=frame", lambda: (part(jpeg(at)) for at in levels())),
    "/no-first": (f"{MULTIPART};boundary=e8b8", _without_first_boundary),
    "/dashes": (
        f"{MULTIPART};boundary=--mine",
        lambda: (part(jpeg(at), b"mine") for at in levels()),
    ),
    "/other-boundary": (
        f"{MULTIPART}; boundary=this",
        lambda: (part(jpeg(at), b"that") for at in levels()),
    ),
    "/no-length": (
        f"{MULTIPART}; boundary=frame",
        lambda: (part(jpeg(at), length=False) for at in levels()),
    ),
    "/no-type": ("application/octet-stream", lambda: (part(jpeg(at)) for at in levels())),
    "/bare": ("image/jpeg", lambda: (jpeg(at) for at in levels())),
    "/thumbnails": (
        f"{MULTIPART}; boundary=frame",
        lambda: (part(jpeg(at, thumbnail=True)) for at in levels()),
    ),
    "/cut": (f"{MULTIPART}; boundary=frame", _every_second_cut),
    "/resize": (f"{MULTIPART}; boundary=frame", _changing_size),
    "/still-scene": (f"{MULTIPART}; boundary=frame", lambda: (part(jpeg(90)) for _ in levels())),
    "/stall": (f"{MULTIPART}; boundary=frame", lambda: (part(jpeg(at)) for at in range(5))),
    # Bytes come, and no picture is ever complete.
    "/trickle": (
        f"{MULTIPART}; boundary=frame",
        lambda: (bytes([byte]) for byte in jpeg(90)[:-2]),
    ),
    "/sound-goes-on": ("video/mp2t", _sound_goes_on),
    "/garbage": (f"{MULTIPART}; boundary=frame", _garbage),
}
WHOLE = {
    "/login": ("text/html", b"<html><form>user, password</form></html>"),
    "/login-untold": ("", b"\n <!DOCTYPE html><title>Camera</title>"),
    "/one": ("application/octet-stream", jpeg(90)),
    "/one-untold": ("", jpeg(90)),
    "/one-part": (f"{MULTIPART}; boundary=frame", part(jpeg(90))),
    "/two-parts": (f"{MULTIPART}; boundary=frame", part(jpeg(90)) * 2),
    "/settings.json": ("application/json", b'{"model": "X1"}'),
}
HEADS = {
    "/moved": (302, {"Location": "/live"}),
    "/in-circles": (302, {"Location": "/in-circles"}),
    "/moved-to-digest": (302, {"Location": "/digest"}),
    "/basic": (401, {"WWW-Authenticate": 'Basic realm="camera"'}),
    "/digest": (
        401,
        {"WWW-Authenticate": 'Digest realm="camera", nonce="abc123", qop="auth", algorithm=MD5'},
    ),
}


class HttpCamera:
    """Serves `STREAMS`, `WHOLE`, `HEADS` and more; `requests` lists the paths asked for.

    `passwords` lists the Authorization headers that came.
    """

    def __init__(self) -> None:
        self.over = threading.Event()
        self.requests: list[str] = []
        self.passwords: list[str] = []
        self.elsewhere = ""  # where /elsewhere redirects to, and /turncoat from the second time
        self.video, self.kind_of_video = b"", "video/mpeg"
        self.challenges: list[str] = []  # of /asks, which any password opens
        self.snapshots = levels()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.camera = self
        self.port: int = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def address(self, path: str, credentials: str = "") -> str:
        """The address of a path, with ``user:password`` as written."""
        return f"http://{credentials}{'@' if credentials else ''}127.0.0.1:{self.port}{path}"

    def close(self) -> None:
        """End all answers and stop serving."""
        self.over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    camera: HttpCamera


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        self.server.camera.requests.append(path)
        given = self.headers.get("Authorization", "")
        self.server.camera.passwords += [given] if given else []
        opens: dict[str, Callable[[str], bool]] = {
            "/basic": _basic,
            "/digest": _digest,
            "/asks": bool,
        }
        is_for_this = "Digest" not in given or f'uri="{self.path}"' in given
        if path in opens and opens[path](given) and is_for_this:
            path = "/live"
        with contextlib.suppress(OSError):
            if path in STREAMS:
                kind, make = STREAMS[path]
                self._stream(kind, make(), BETWEEN_S)
            elif path in WHOLE:
                self._whole(*WHOLE[path])
            elif path in HEADS:
                status, header = HEADS[path]
                self._head(status, "text/plain", **header)
            elif path.startswith("/status/"):
                self._head(int(path.rpartition("/")[2]), "text/plain")
            elif path.startswith("/snapshot."):
                grey = np.full((48, 64, 3), next(self.server.camera.snapshots), np.uint8)
                suffix = path.removeprefix("/snapshot")
                kind = {".jpg": "image/jpeg", ".png": "image/png"}[suffix]
                self._whole(kind, cv2.imencode(suffix, grey)[1].tobytes())
            else:
                self._special(path)

    def _special(self, path: str) -> None:
        camera = self.server.camera
        if path == "/elsewhere" or (path == "/turncoat" and camera.requests.count(path) > 1):
            self._head(302, "text/plain", Location=camera.elsewhere)
        elif path in ("/video", "/turncoat"):
            self._whole(camera.kind_of_video, camera.video)
        elif path == "/packed.jpg":
            packed = gzip.compress(gzip.compress(jpeg(90)))
            self._whole("image/jpeg", packed, **{"Content-Encoding": "gzip, gzip"})
        elif path == "/asks":
            self.send_response(401)
            for challenge in camera.challenges:
                self.send_header("WWW-Authenticate", challenge)
            self.send_header("Transfer-Encoding", "chunked")  # of a body that never comes
            self.end_headers()
        elif path == "/hang-up.jpg":  # without a word
            self._whole("image/jpeg", jpeg(next(camera.snapshots)))
            self.close_connection = True
        else:
            self._head(404, "text/html")

    def _stream(self, kind: str, pieces: Iterator[bytes], between_s: float) -> None:
        self._head(200, kind)
        for data in pieces:
            self.wfile.write(data)
            if self.server.camera.over.wait(between_s):
                return
        self.server.camera.over.wait()  # silence

    def _head(self, status: int, kind: str, **headers: str) -> None:
        if "Content-Length" not in headers:
            headers["Connection"] = "close"
        self.send_response(status)
        for name, value in {"Content-Type": kind, **headers}.items():
            if value:
                self.send_header(name, value)
        self.end_headers()

    def _whole(self, kind: str, content: bytes, **headers: str) -> None:
        self._head(200, kind, **{"Content-Length": str(len(content))}, **headers)
        self.wfile.write(content)


def _basic(given: str) -> bool:
    return given == "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


def _digest(given: str, method: str = "GET") -> bool:
    return given.startswith("Digest") and is_right_digest(given, method)


def is_right_digest(given: str, method: str) -> bool:
    """Whether an Authorization header answers the challenge (RFC 2617, with and without qop)."""
    field = dict(re.findall(r'(\w+)="?([^",]+)"?', given))
    first = _md5(f"{USER}:camera:{PASSWORD}")
    second = _md5(f"{method}:{field['uri']}")
    middle = f":{field['nc']}:{field['cnonce']}:{field['qop']}" if "qop" in field else ""
    return str(field["response"]) == _md5(f"{first}:{field['nonce']}{middle}:{second}")


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
