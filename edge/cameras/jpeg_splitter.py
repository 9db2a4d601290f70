"""Cut a flow of bytes into its JPEG pictures, whatever stands between them.

The boundaries of MJPEG over HTTP differ from what the header announces in many cameras, or are
missing. A JPEG itself says where it begins and ends (ITU T.81, annex B), so only that is read.
"""

from __future__ import annotations

import re

MOST_BYTES = 32 << 20  # of one picture, or between two
START = b"\xff\xd8\xff"
# The end of a scan: a marker that neither stuffs a byte, nor restarts, nor fills.
SCAN_END = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
START_OF_IMAGE, END_OF_IMAGE, START_OF_SCAN = 0xD8, 0xD9, 0xDA
WITHOUT_LENGTH = range(0xD0, 0xD8)
LEAST_MARKER = 0xC0  # those below are reserved, or mean nothing here


class JpegSplitter:
    """Collects bytes and gives the complete JPEG pictures in them; one that is cut short is lost.

    Args:
        most_bytes: A larger picture, or more bytes without one, is an error.
    """

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._buffer = bytearray()
        self._position = 0  # of the next marker; 0 while no picture has begun
        self._in_scan = False
        self._idle = 0  # bytes since the last picture

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes and return the pictures that they complete.

        Raises:
            ValueError: No picture is complete within `most_bytes`.
        """
        self._buffer += data
        self._idle += len(data)
        pictures = []
        while (picture := self._next()) is not None:
            pictures.append(picture)
            self._idle = len(self._buffer)
        if self._idle > self._most_bytes:
            raise ValueError(f"no JPEG picture within {self._most_bytes} bytes")
        return pictures

    def _next(self) -> bytes | None:
        """Go on to the next picture; None where its end has not come."""
        while self._position or self._begin(0):
            marker, end = self._marker()
            if marker is None:
                return None
            if marker == END_OF_IMAGE:
                picture = bytes(self._buffer[:end])
                self._drop(end)
                return picture
            if marker == START_OF_IMAGE:  # the picture before was cut short
                self._begin(end - 2)
            elif marker < 0:
                self._begin(2)
            else:
                self._position = end
                self._in_scan = marker == START_OF_SCAN
        return None

    def _marker(self) -> tuple[int | None, int]:
        """The next marker and where its segment ends; None if it is not here, -1 if damaged."""
        buffer = self._buffer
        if self._in_scan:
            found = SCAN_END.search(buffer, self._position)
            if found is None:  # the last byte may be the first half of a marker
                self._position = max(self._position, len(buffer) - 1)
                return None, 0
            self._position = found.start()
            self._in_scan = False
        at = self._position
        if at < len(buffer) and buffer[at] != 0xFF:
            return -1, 0
        while at < len(buffer) and buffer[at] == 0xFF:  # any number may fill
            at += 1
        if at >= len(buffer):
            return None, 0
        marker = buffer[at]
        if marker < LEAST_MARKER:
            return -1, 0
        if marker in (START_OF_IMAGE, END_OF_IMAGE) or marker in WITHOUT_LENGTH:
            return marker, at + 1
        if len(buffer) < at + 3:
            return None, 0
        length = int.from_bytes(buffer[at + 1 : at + 3], "big")
        return (marker, at + 1 + length) if length >= 2 else (-1, 0)

    def _begin(self, after: int) -> bool:
        """Drop everything before the next picture; whether one begins."""
        self._in_scan = False
        start = self._buffer.find(START, after)
        if start < 0:
            self._drop(max(after, len(self._buffer) - len(START) + 1))
            return False
        self._drop(start)
        self._position = 2
        return True

    def _drop(self, count: int) -> None:
        del self._buffer[:count]
        self._position = 0
