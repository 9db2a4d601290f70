"""What differs between the versions of OpenCV that may be installed."""

from __future__ import annotations

import cv2

SILENT, ERRORS = 0, 2  # OpenCV's log levels


def set_log_level(level: int) -> None:
    """Set what OpenCV writes to stderr: nothing where `SILENT`, else up to that level.

    The function moved to ``cv2.utils.logging`` in OpenCV 4.14.
    """
    logging = getattr(cv2.utils, "logging", cv2)
    logging.setLogLevel(level)
