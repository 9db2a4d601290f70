"""The API is asked what nobody would ask, made from its own description.

Nothing is answered with an error of the device, and without a session nothing changes.
`make api-test` asks for longer.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import response_schema_conformance

from edge.history.store import FILE as HISTORY
from edge.history.store import Filters
from edge.web.staff.access import STAFF_PATH, TOKEN_HEADER
from edge.web.staff.pin import ATTEMPTS_FILE
from tests.support.lessons import NEW
from tests.support.taught_device import TaughtDevice, taught_device

ENDLESS = ("/api/events", "/camera.mjpg")
ACTION = f"{STAFF_PATH}action"  # takes the camera away for a moment, and then 503 is right
WAY_IN = (f"{STAFF_PATH}session", f"{STAFF_PATH}pin")  # ends the session, or counts wrong PINs
# Wrong PINs are counted; looks are learned from; what was seen is kept.
HISTORY_FILES = (HISTORY, f"{HISTORY}-wal", f"{HISTORY}-shm")
OWN_FILES = (ATTEMPTS_FILE, "foreign-share.json", *HISTORY_FILES)
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


def ask_anything(
    device: TaughtDevice, but: Callable[[str, str], bool], *, with_session: bool
) -> int:
    """Ask every route well-formed and malformed questions; gives the number of them.

    Args:
        device: The device.
        but: Whether a method of a path is left out.
        with_session: Whether the staff's session comes with each question.
    """
    asked = 0
    client = device.client
    session: dict[str, Any] = {
        "headers": {TOKEN_HEADER: client.headers[TOKEN_HEADER]},
        "cookies": dict(client.cookies),
    }
    schema = schemathesis.openapi.from_url(f"{device.url}/openapi.json")
    for result in schema.get_all_operations():
        assert isinstance(result, Ok)
        operation = result.ok()
        if operation.path in ENDLESS or but(operation.method.upper(), operation.path):
            continue
        for mode in schemathesis.GenerationMode:
            if mode is schemathesis.GenerationMode.NEGATIVE and only_text_is_asked(operation):
                continue

            @MOST_QUESTIONS
            @given(case=operation.as_strategy(generation_mode=mode))
            def ask(case: schemathesis.Case[Any]) -> None:
                nonlocal asked
                asked += 1
                answer = case.call(**session if with_session else {})
                case.validate_response(
                    answer, checks=[not_a_server_error, response_schema_conformance]
                )

            with suppress(Unsatisfiable):  # nothing is malformed where nothing is asked
                ask()
    print(asked, "questions, with a session" if with_session else "questions, without a session")
    return asked


def only_text_is_asked(operation: Any) -> bool:
    """Whether no question can be malformed, which a search of a second would find out, too.

    All that is asked then is a piece of the path, and that may be any text.
    """
    return not operation.body and all(
        parameter.location == "path" and parameter.definition["schema"]["type"] == "string"
        for parameter in operation.iter_parameters()
    )


def kept(device: TaughtDevice) -> dict[str, str]:
    """A digest of each file that the device keeps, but for those that it writes by itself.

    A file that is being written has another name for a moment, which has the file's name in it.
    """
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in device.folder.rglob("*")
        if not any(name in path.name for name in OWN_FILES) and path.is_file()
    }


def test_without_a_session_nothing_fails_and_nothing_changes(device: TaughtDevice) -> None:
    before = kept(device)
    assert ask_anything(device, lambda *_: False, with_session=False) > 90
    assert kept(device) == before
    recorder = device.appliance.history
    assert recorder is not None
    assert recorder.flush(60)
    assert recorder.history.entries(Filters(asked=True), 0, 9) == []


def test_with_a_session_nothing_fails(device: TaughtDevice) -> None:
    asked = ask_anything(device, lambda _, path: path in (ACTION, *WAY_IN), with_session=True)
    assert asked > 90
    assert ask_anything(device, lambda _, path: path != ACTION, with_session=True) > 3
    assert device.ask("GET", f"{STAFF_PATH}status")
    before = kept(device)
    assert ask_anything(device, lambda _, path: path not in WAY_IN, with_session=True) > 6
    assert kept(device) == before, "the PIN is another one"
