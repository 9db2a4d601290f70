"""The API is asked what nobody would ask, made from its own description.

Nothing is answered with an error of the device, and without a session nothing changes.
`make api-test` asks for longer.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import response_schema_conformance

from edge.web.staff.access import STAFF_PATH, TOKEN_HEADER
from edge.web.staff.pin import ATTEMPTS_FILE
from tests.support.lessons import NEW
from tests.support.taught_device import PIN, TaughtDevice, taught_device

ENDLESS = ("/api/events", "/camera.mjpg")
LEAVES = (f"{STAFF_PATH}session", f"{STAFF_PATH}pin")  # they end or refuse the session
LONG = int(os.environ.get("API_EXAMPLES", "0"))  # questions of each kind to each route
MOST_QUESTIONS = settings(
    max_examples=LONG or 3,
    derandomize=not LONG,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)

pytestmark = pytest.mark.slow


@pytest.fixture
def device(small_bundle: Path, tmp_path: Path) -> Iterator[TaughtDevice]:
    with taught_device(small_bundle, tmp_path / "state") as device:
        device.hand.show(NEW)
        yield device


@contextmanager
def visitor(device: TaughtDevice, *, with_session: bool) -> Iterator[requests.Session]:
    """A client as schemathesis wants it."""
    with requests.Session() as session:
        if with_session:
            entered = session.post(f"{device.url}/api/staff/session", json={"pin": PIN}).json()
            session.headers[TOKEN_HEADER] = entered["token"]
        yield session


def ask_anything(
    device: TaughtDevice, session: requests.Session, but: Callable[[str, str], bool]
) -> int:
    """Ask every route well-formed and malformed questions; gives the number of them.

    Args:
        device: The device.
        session: Asks.
        but: Whether a method of a path is left out.
    """
    asked = 0
    schema = schemathesis.openapi.from_url(f"{device.url}/openapi.json")
    for operation in (result.ok() for result in schema.get_all_operations()):
        if operation.path in ENDLESS or but(operation.method.upper(), operation.path):
            continue
        for mode in schemathesis.GenerationMode:

            @MOST_QUESTIONS
            @given(case=operation.as_strategy(generation_mode=mode))
            def ask(case: schemathesis.Case) -> None:
                nonlocal asked
                asked += 1
                answer = case.call(session=session)
                case.validate_response(
                    answer, checks=[not_a_server_error, response_schema_conformance]
                )

            with suppress(Unsatisfiable):  # nothing is malformed where nothing is asked
                ask()
    return asked


def is_open_and_reads(method: str, path: str) -> bool:
    return method == "GET" and not path.startswith(STAFF_PATH)


def kept(device: TaughtDevice) -> dict[str, str]:
    """A digest of each thing that the device keeps, but for the count of wrong PINs."""
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in device.folder.rglob("*")
        if path.is_file() and path.name != ATTEMPTS_FILE
    }


def test_without_a_session_nothing_fails_and_nothing_changes(device: TaughtDevice) -> None:
    before = kept(device)
    with visitor(device, with_session=False) as session:
        # What only reads and is open to all, the other test asks.
        assert ask_anything(device, session, is_open_and_reads) > 50
    assert kept(device) == before
    assert httpx.get(f"{device.url}/api/latest").is_success


def test_with_a_session_nothing_fails(device: TaughtDevice) -> None:
    with visitor(device, with_session=True) as session:
        assert ask_anything(device, session, lambda _, path: path in LEAVES) > 90
        assert session.get(f"{device.url}/api/staff/status").ok
