"""Cameras that send a video stream, which FFmpeg decodes: RTSP, video over HTTP, or a pipe.

PyAV and not OpenCV gives access to FFmpeg here: OpenCV repeats the last picture for ever after the
stream has changed its size, and does not say why a stream cannot be opened. It is the extra
`streams`; without it, importing this module raises a `MissingExtraError`.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Iterator

from catalog.core.errors import MissingExtraError
from catalog.core.local_network import is_local
from edge.cameras.address import CameraAddress
from edge.cameras.base import MOST_PIXELS, CameraSettings, as_image
from edge.cameras.refusals import (
    FORBIDDEN,
    NO_STREAM,
    NO_VIDEO,
    NOT_FOUND,
    PLAYLIST,
    UNDECODABLE,
    UNKNOWN_CODEC,
    UNKNOWN_HOST,
    cannot_open,
    ended,
    no_answer,
    reason_of_failure,
    reason_of_status,
)
from edge.errors import CameraError
from edge.sighting import Image

try:
    import av
    import av.error
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream
except ModuleNotFoundError as error:
    raise MissingExtraError("a camera that sends a video stream", "streams") from error

# Not those that name other addresses or files, as the playlists of HLS, DASH and concat do.
FORMATS = (
    "rtsp,asf,av1,avi,dhav,flv,gif,h261,h263,h264,hevc,ivf,live_flv,m4v,matroska,mjpeg,mjpeg_2000,"
    "mov,mpeg,mpegts,mpegvideo,mpjpeg,mxf,nut,obu,ogg,vc1,vvc,webp_pipe,jpeg_pipe,png_pipe,bmp_pipe"
)
LIMITS = {"max_pixels": str(MOST_PIXELS)}  # of FFmpeg's decoders
OPEN_SHARE = 0.9  # of the time for opening, so that the reason is known before it is over


class StreamCamera:
    """A stream that FFmpeg decodes, within the settings' time limits."""

    learns_background = True
    paced = True
    live = False  # each picture is decoded of packets that came, so equal ones are no fault

    def __init__(self, address: CameraAddress | str, settings: CameraSettings, name: str) -> None:
        """Open the stream at an address, or the MJPEG at a path.

        Raises:
            CameraError: It cannot be opened; the message says why.
        """
        self.name = name
        self._read_timeout_s = settings.read_timeout_s
        begun = time.monotonic()
        try:
            self._container = _open(address, settings)
        except av.error.FFmpegError as error:
            # FFmpeg calls a time that is over by several names.
            is_late = time.monotonic() - begun >= settings.open_timeout_s * OPEN_SHARE
            reason = no_answer(settings.open_timeout_s) if is_late else _reason(error, address)
            raise cannot_open(name, reason) from None
        videos = self._container.streams.video
        if not videos or videos[0].codec_context is None:
            self.close()
            raise cannot_open(name, UNKNOWN_CODEC if videos else NO_VIDEO)
        videos[0].thread_type = "AUTO"  # else most streams are decoded on one core
        videos[0].codec_context.options = LIMITS
        self._images = self._decode(videos[0])

    def read(self) -> Image:
        """Wait for the next picture; CameraError when the stream ends or stands still."""
        try:
            image = next(self._images, None)
        except av.error.ArgumentError:
            raise CameraError(f"camera {self.name} {UNDECODABLE}") from None
        except av.error.FFmpegError:
            image = None
        if image is None:
            raise CameraError(ended(self.name, self._read_timeout_s))
        return image

    def close(self) -> None:
        """Close the stream."""
        self._container.close()

    def _decode(self, video: VideoStream) -> Iterator[Image]:
        """The stream's pictures, each in its own size; damaged ones are left out."""
        decoded_at = time.monotonic()
        # Of the video alone, PyAV would wait without end in a stream whose sound goes on.
        for packet in self._container.demux():
            frames: list[VideoFrame] = []
            with contextlib.suppress(av.error.InvalidDataError):
                if packet.stream_index == video.index:
                    frames = video.decode(packet)
            for frame in frames:
                decoded_at = time.monotonic()
                yield as_image(frame.to_ndarray(format="bgr24"))
                decoded_at = time.monotonic()
            if time.monotonic() - decoded_at > self._read_timeout_s:
                return  # what comes cannot be decoded


def _open(address: CameraAddress | str, settings: CameraSettings) -> InputContainer:
    timeout = settings.open_timeout_s * OPEN_SHARE, settings.read_timeout_s
    if isinstance(address, str):
        return av.open(address, format="mjpeg", options=LIMITS, timeout=timeout)
    if os.environ.get("http_proxy") and is_local(address.host):
        # FFmpeg itself obeys the variable; it matches hosts by this one.
        others = os.environ.get("no_proxy", "")
        if address.host not in others.split(","):
            os.environ["no_proxy"] = f"{others},{address.host}".lstrip(",")
    options = {**LIMITS, "format_whitelist": FORMATS}
    if address.scheme.startswith("rtsp"):
        options["rtsp_transport"] = "tcp"
    else:
        options["max_redirects"] = "0"  # what answered before did not send on, or at its own host
    return av.open(address.url_with_password(), options=options, timeout=timeout)


def _reason(error: av.error.FFmpegError, address: CameraAddress | str) -> str:
    """Why a stream did not open."""
    if isinstance(address, str):
        return NO_STREAM
    if isinstance(error, av.error.HTTPUnauthorizedError):
        return reason_of_status(401, has_password=address.has_password)
    if isinstance(error, av.error.HTTPForbiddenError):
        return FORBIDDEN
    if isinstance(error, av.error.HTTPNotFoundError):
        return NOT_FOUND
    if isinstance(error, av.error.ArgumentError):
        return PLAYLIST
    if isinstance(error, av.error.DecoderNotFoundError):
        return UNKNOWN_CODEC
    if not _is_known(address.host):  # FFmpeg only says "Input/output error"
        return UNKNOWN_HOST
    return reason_of_failure(error) or NO_STREAM


def _is_known(host: str) -> bool:
    try:
        socket.getaddrinfo(host, None, proto=socket.IPPROTO_TCP)
    except (OSError, UnicodeError):
        return False
    return True
