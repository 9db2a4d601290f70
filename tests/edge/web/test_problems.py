"""Errors that stop a request, and what they say."""

from __future__ import annotations

import logging
import sqlite3
from contextlib import closing
from typing import NoReturn

import pytest
from flask import Flask

from edge.web.problems import MEDIA_TYPE, answer_with_problems


def answer(error: Exception) -> tuple[int, str, str | None]:
    """The status, the sentence and the header Retry-After where a request meets an error."""
    app = Flask(__name__)
    answer_with_problems(app)

    @app.get("/")
    def fail() -> NoReturn:
        raise error

    response = app.test_client().get("/")
    assert response.content_type == MEDIA_TYPE
    return response.status_code, response.get_json()["detail"], response.headers.get("Retry-After")


@pytest.mark.parametrize("kind", [sqlite3.DatabaseError, sqlite3.OperationalError])
def test_what_sqlite_cannot_read_is_said_plainly_and_its_words_are_logged(
    kind: type[sqlite3.Error], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR, "edge.web.problems"):
        found = answer(kind("database disk image is malformed"))
    assert found == (
        503,
        "What is stored on this device cannot be read. Its log says more; try again in a moment.",
        "5",
    )
    assert "database disk image is malformed" in caplog.text


def test_a_closed_database_is_an_error_of_the_device() -> None:
    with closing(sqlite3.connect(":memory:")) as database:
        pass
    with pytest.raises(sqlite3.ProgrammingError) as closed:
        database.execute("select 1")
    status, sentence, _ = answer(closed.value)
    assert status == 500
    assert sentence == "The device made an error of its own; its log has more. Try again."
