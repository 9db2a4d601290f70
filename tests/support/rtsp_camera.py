"""An RTSP camera on loopback: MPEG-2 in RTP, inside the RTSP connection (RFC 2326, 2250)."""

from __future__ import annotations

import base64
import contextlib
import io
import socketserver
import struct
import threading
from collections.abc import Sequence
from typing import cast

import av
import numpy as np
from av.video.stream import VideoStream

from tests.support.http_camera import PASSWORD, USER, is_right_digest

MPEG_VIDEO = 32  # RTP's number
MOST_BYTES = 1400  # of a picture in one packet
BETWEEN_S = 0.001
CHALLENGES = {
    "/basic": 'Basic realm="camera"',
    "/digest": 'Digest realm="camera", nonce="abc123"',
}
MEDIA = {
    "/sound": "m=audio 0 RTP/AVP 0",
    "/unknown": "m=video 0 RTP/AVP 96\r\na=rtpmap:96 X-NOBODY-KNOWS/90000",
}


def film(parts: Sequence[tuple[tuple[int, int], Sequence[int]]]) -> list[bytes]:
    """Encoded grey pictures: for each part its size (width, height) and levels."""
    encoded: list[bytes] = []
    for (width, height), levels in parts:
        with av.open(io.BytesIO(), "w", format="mpegts") as container:
            stream = cast(VideoStream, container.add_stream("mpeg2video", rate=25))
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            for level in levels:
                grey = np.full((height, width, 3), level, np.uint8)
                frame = av.VideoFrame.from_ndarray(grey, format="bgr24")
                encoded += map(bytes, stream.encode(frame))
            encoded += map(bytes, stream.encode())
    return encoded


class RtspCamera:
    """Plays `film`; afterwards it says nothing, and keeps the connection except for `MEDIA`."""

    def __init__(self, film: Sequence[bytes]) -> None:
        self.film = film
        self.over = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.camera = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def address(self, path: str, credentials: str = "") -> str:
        """The address of a path, with ``user:password`` as written."""
        port = self._server.server_address[1]
        return f"rtsp://{credentials}{'@' if credentials else ''}127.0.0.1:{port}{path}"

    def close(self) -> None:
        """End all sessions and stop serving."""
        self.over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    camera: RtspCamera


class _Handler(socketserver.StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        with contextlib.suppress(OSError):
            while (line := self.rfile.readline()).strip() and self._answer(line.decode()):
                pass

    def _answer(self, line: str) -> bool:
        """Answer a request that begins with this line; whether to go on."""
        method, url, _ = line.split()
        headers = {}
        while header := self.rfile.readline().strip():
            name, _, value = header.decode().partition(":")
            headers[name.lower()] = value.strip()
        path = "/" + url.split("/", 3)[3].rstrip("/")
        status, extra, body = self._reply(method, path, headers)
        head = f"RTSP/1.0 {status}\r\nCSeq: {headers['cseq']}\r\nSession: 1\r\n{extra}"
        self.wfile.write(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
        if method != "PLAY":
            return True
        self._play()
        return path not in MEDIA

    def _reply(self, method: str, path: str, headers: dict[str, str]) -> tuple[str, str, str]:
        if method == "OPTIONS":
            return "200 OK", "Public: OPTIONS, DESCRIBE, SETUP, PLAY\r\n", ""
        root = path.removesuffix("/track")
        if root in CHALLENGES and not _allowed(headers.get("authorization", ""), method):
            return "401 Unauthorized", f"WWW-Authenticate: {CHALLENGES[root]}\r\n", ""
        if root.startswith("/status/"):
            return f"{root.rpartition('/')[2]} Refused", "", ""
        if method == "DESCRIBE":
            media = MEDIA.get(root, f"m=video 0 RTP/AVP {MPEG_VIDEO}")
            sdp = f"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=camera\r\nt=0 0\r\n{media}\r\n"
            return "200 OK", "Content-Type: application/sdp\r\n", f"{sdp}a=control:track\r\n"
        if method == "SETUP":
            return "200 OK", "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n", ""
        return "200 OK", "", ""

    def _play(self) -> None:
        pieces = [
            (picture[start : start + MOST_BYTES], number, start + MOST_BYTES >= len(picture))
            for number, picture in enumerate(self.server.camera.film)
            for start in range(0, len(picture), MOST_BYTES)
        ]
        for sequence, (piece, number, is_last) in enumerate(pieces):
            kind = MPEG_VIDEO | (0x80 if is_last else 0)
            head = struct.pack(">BBHII", 0x80, kind, sequence & 0xFFFF, number * 3600, 1)
            packet = head + bytes(4) + piece
            self.wfile.write(b"$\0" + struct.pack(">H", len(packet)) + packet)
            if self.server.camera.over.wait(BETWEEN_S):
                return


def _allowed(given: str, method: str) -> bool:
    if given.startswith("Digest"):
        return is_right_digest(given, method)
    return given == "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
