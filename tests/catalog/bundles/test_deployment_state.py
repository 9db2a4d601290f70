"""What a device remembers of bundles: rejections, and a file that may be damaged."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from catalog.bundles.deployment_state import (
    MOST_REJECTED,
    DeploymentState,
    Probation,
    SkippedRelease,
    read_deployment_state,
    write_deployment_state,
)


def test_a_rejection_holds_for_the_engine_that_rejected() -> None:
    state = DeploymentState().with_rejected("one", "why", "auto")
    assert state.rejection("one", "auto") == "why"
    assert state.rejection("one", "mxnet") is None
    assert state.rejection("two", "auto") is None
    assert DeploymentState().rejected == {}


def test_the_latest_rejections_are_remembered_in_order() -> None:
    state = DeploymentState()
    for number in range(MOST_REJECTED):
        state = state.with_rejected(f"bundle {number}", "first", "auto")
    assert len(state.rejected) == MOST_REJECTED
    state = state.with_rejected("bundle 0", "again", "auto")
    assert len(state.rejected) == MOST_REJECTED
    assert list(state.rejected)[-1] == "bundle 0"
    assert state.rejection("bundle 0", "auto") == "again"
    state = state.with_rejected("one more", "why", "auto")
    assert len(state.rejected) == MOST_REJECTED
    assert next(iter(state.rejected)) == "bundle 2"
    assert list(state.rejected)[-2:] == ["bundle 0", "one more"]


def test_the_state_comes_back_as_written_and_only_its_user_may_read_it(tmp_path: Path) -> None:
    state = DeploymentState(
        releases={"one": 3},
        declined=SkippedRelease(bundle="two"),
        pinned="one",
        trial=Probation(bundle="one", patience_s=60),
    ).with_rejected("three", "why", "auto")
    write_deployment_state(tmp_path, state)
    assert read_deployment_state(tmp_path) == state
    assert stat.S_IMODE((tmp_path / "ledger.json").stat().st_mode) == 0o600


@pytest.mark.parametrize("content", [b"", b"{", b'{"pinned": 3}', b"\xff", None])
def test_a_state_that_cannot_be_read_is_empty_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, content: bytes | None
) -> None:
    assert read_deployment_state(tmp_path) == DeploymentState()
    assert not caplog.records, "before the first one"
    file = tmp_path / "ledger.json"
    if content is None:
        file.mkdir()
    else:
        file.write_bytes(content)
    assert read_deployment_state(tmp_path) == DeploymentState()
    assert f"{file}: cannot be read, nothing is remembered" in caplog.text
