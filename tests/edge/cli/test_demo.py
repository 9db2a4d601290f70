"""The demonstration's command, before its long work."""

from __future__ import annotations

import socket

import pytest
from click.testing import CliRunner

from edge.cli import demo
from edge.errors import PortError
from tests.conftest import Surroundings


def test_a_port_that_is_taken_on_any_address_is_told_before_anything_is_drawn(
    surroundings: Surroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def prepare(*given: object) -> None:
        raise AssertionError("it was drawn")

    monkeypatch.setattr(demo, "prepare", prepare)
    with socket.socket() as taken:
        taken.bind(("127.0.0.2", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        result = CliRunner().invoke(demo.demo, ["--lan", "--port", port])
    assert isinstance(result.exception, PortError)
    assert f"port {port} is in use" in str(result.exception)
