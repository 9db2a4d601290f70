"""Numbers and layouts of ``linux/videodev2.h``."""

from __future__ import annotations

import struct
from collections.abc import Callable

QUERY_CAPABILITIES = 0x80685600  # VIDIOC_QUERYCAP
ENUMERATE_FORMATS = 0xC0405602  # VIDIOC_ENUM_FMT
REQUEST_BUFFERS = 0xC0145608  # VIDIOC_REQBUFS
ENUMERATE_SIZES = 0xC02C564A  # VIDIOC_ENUM_FRAMESIZES
CAPABILITY = struct.Struct("16s32s32sIII12x")
FORMAT = struct.Struct("III32s4sI12x")
SIZE = struct.Struct("I4sI6I8x")
BUFFERS = struct.Struct("III8x")
TYPE_CAPTURE = 1  # V4L2_BUF_TYPE_VIDEO_CAPTURE
MEMORY_MMAP = 1  # V4L2_MEMORY_MMAP
SIZE_DISCRETE = 1  # V4L2_FRMSIZE_TYPE_DISCRETE
CAN_CAPTURE = 0x00000001 | 0x00001000  # single-planar, multi-planar
HAS_DEVICE_CAPABILITIES = 0x80000000

Control = Callable[[int, int, bytearray], object]


def can_capture(capability: bytearray) -> bool:
    """Whether a device's answer to `QUERY_CAPABILITIES` says that it gives pictures."""
    *_, whole, own = CAPABILITY.unpack(capability)
    return bool((own if whole & HAS_DEVICE_CAPABILITIES else whole) & CAN_CAPTURE)
