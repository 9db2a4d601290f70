"""Why a network camera cannot be opened: one plain sentence for each reason.

No sentence names the host: where a password is written raw, what looks like one may belong to it.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator

from edge.errors import CameraError
from edge.words import Words

REFUSES_USER = Words(
    "it refuses the user and password of its address; check both in the camera's app"
)
ASKS_FOR_USER = (
    "it asks for a user and password; write them before the host, as in http://USER:PASSWORD@HOST/"
)
UNKNOWN_CHALLENGE = (
    "it asks for a password in a way that is not supported; choose Digest with MD5 or SHA-256, or "
    "Basic, in its settings"
)
FORBIDDEN = "it does not let this user see its pictures (403); change the user's rights there"
NOT_FOUND = "it has nothing at this path (404); look the path up in its manual"
WEB_PAGE = (
    "a web page answers, perhaps its login, and no pictures; use the address of the stream, "
    "which its manual names"
)
NO_STREAM = "what answers there sends no video and no pictures; check scheme, port and path"
PACKED = "it sends compressed data that was not asked for; switch its compression off"
ELSEWHERE = "it sends to another address; write that one where you trust it"
PLAYLIST = "it sends a list of videos (as HLS does) or an unknown format; use its RTSP address"
UNDECODABLE = (  # follows the camera's name
    "sends video that cannot be decoded, perhaps of more than 40 megapixels; choose another size "
    "or H.264 in its settings"
)
UNKNOWN_CODEC = "its video cannot be decoded here (missing codec); choose H.264 in its settings"
NO_VIDEO = "it sends sound or data, but no video; choose its video stream"
REFUSED = Words("nothing listens at this port (connection refused); check the port and its power")
NOT_SECURE = (
    "the encrypted connection (TLS) fails: it speaks none there, or its certificate is not "
    "trusted; check scheme and port"
)
UNKNOWN_HOST = Words("no device has this name; check it, or write the IP address")
IN_USE = Words("another program uses it; end that program, perhaps the appliance itself")
NOT_ALLOWED = Words("this user may not use it; add the user to the group video")
LOST = Words("its driver has lost it; unplug it and plug it in again")
UNREACHABLE = Words(
    "there is no way to its address; check this device's own network and the address"
)


def cannot_open(name: str, reason: str) -> CameraError:
    """The error of a camera that does not open.

    Args:
        name: The camera's public name.
        reason: A clause that follows a colon.
    """
    return CameraError(Words("camera {name} cannot be opened: {reason}", name=name, reason=reason))


def ended(name: str, seconds: float) -> str:
    """What a camera's end without a reason is called, after so many seconds without a picture."""
    return Words(
        "camera {name} ended its stream or sent nothing for {seconds} s; check its power and "
        "network",
        name=name,
        seconds=format(seconds, "g"),
    )


def no_answer(seconds: float) -> str:
    """The reason where nothing came in time."""
    return Words(
        "it does not answer within {seconds} s; check its power, cable and address",
        seconds=format(seconds, "g"),
    )


def through_proxy(reason: str, proxy: str) -> str:
    """A reason where the connection went through a proxy."""
    place = proxy.rpartition("@")[2].rpartition("//")[2]
    return f"through the proxy {place} that the environment names: {reason}"


def reason_of_status(status: int, *, has_password: bool) -> str:
    """The reason in an HTTP or RTSP status from 400 on."""
    if status == 401:
        return REFUSES_USER if has_password else ASKS_FOR_USER
    if status in (403, 404):
        return FORBIDDEN if status == 403 else NOT_FOUND
    if status == 407:
        return "the proxy asks for a user and password"
    if status == 503:
        return Words("it is busy (503); perhaps as many viewers as it allows are connected")
    return f"it answers with status {status}; check its address"


def reason_of_failure(error: BaseException) -> str:
    """The reason in the chain of a failed connection's exceptions; "" where it says none."""
    for cause in _chain(error):
        if isinstance(cause, socket.gaierror):
            return UNKNOWN_HOST
        if isinstance(cause, ConnectionRefusedError):
            return REFUSED
        if isinstance(cause, OSError) and cause.errno in (errno.EHOSTUNREACH, errno.ENETUNREACH):
            return UNREACHABLE
        if type(cause).__name__.startswith("SSL"):
            return NOT_SECURE
    return ""


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        cause = cause.__cause__ or cause.__context__
