"""Without the extra `streams` all cameras work but those that send video, and these say why."""

from __future__ import annotations

import sys

import pytest

from catalog.core.errors import MissingExtraError
from edge.cameras.base import CameraSettings
from edge.cameras.choice import open_camera


@pytest.mark.parametrize("address", ["rtsp://192.168.1.20/stream1", "rtsps://camera/live"])
def test_a_stream_names_its_extra(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    for name in ("av", "av.error"):
        monkeypatch.setitem(sys.modules, name, None)  # as if it were not installed
    monkeypatch.delitem(sys.modules, "edge.cameras.stream", raising=False)
    with pytest.raises(MissingExtraError, match=r"pip install '\.\[streams\]'"):
        open_camera(address, CameraSettings())
