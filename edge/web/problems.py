"""Errors as RFC 9457 problem documents, which say what is wrong and what to do."""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Iterable
from http import HTTPStatus

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from catalog.core.errors import VisualSearchError
from edge.words import Words, document_of, words_of

MEDIA_TYPE = "application/problem+json"

logger = logging.getLogger(__name__)


class ProblemError(Exception):
    """Stops a request with a problem document.

    Args:
        status: The HTTP status, 4xx or 5xx.
        detail: One sentence: what is wrong, and what to do; `Words` where people on the page may
            meet it.
        headers: Further response headers.
    """

    def __init__(self, status: int, detail: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers or {}


def problem_body(status: int, detail: str) -> bytes:
    """The problem document's bytes."""
    document: dict[str, object] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
    }
    if words := document_of(detail):
        document["words"] = words
    return json.dumps(document, ensure_ascii=False).encode(errors="replace")


def problem_response(status: int, detail: str, headers: Iterable[tuple[str, str]] = ()) -> Response:
    """A response that holds a problem document."""
    response = Response(problem_body(status, detail), status, content_type=MEDIA_TYPE)
    response.headers.extend(headers)
    return response


def answer_with_problems(app: Flask) -> None:
    """Make every error of `app` a problem document, without ever showing a traceback."""
    app.register_error_handler(ProblemError, _from_problem)
    app.register_error_handler(HTTPException, _from_http)
    app.register_error_handler(VisualSearchError, _from_visual_search)
    app.register_error_handler(sqlite3.DatabaseError, _from_database)
    app.register_error_handler(sqlite3.ProgrammingError, _from_bug)  # or it is closed
    app.register_error_handler(Exception, _from_bug)


def _from_problem(error: ProblemError) -> Response:
    return problem_response(error.status, error.detail, error.headers.items())


def _from_http(error: HTTPException) -> Response | HTTPException:
    if error.code is None or error.code < HTTPStatus.BAD_REQUEST:
        return error
    headers = [
        (name, value)
        for name, value in error.get_headers()
        if name.lower() in ("allow", "retry-after")
    ]
    return problem_response(error.code, _detail(error), headers)


def _from_visual_search(error: VisualSearchError) -> Response:
    return problem_response(503, words_of(error), [("Retry-After", "5")])


def _from_database(error: sqlite3.DatabaseError) -> Response:
    logger.error("cannot read for %s %s", request.method, request.path, exc_info=error)
    return problem_response(
        503,
        Words(
            "What is stored on this device cannot be read. Its log says more; try again in a "
            "moment."
        ),
        [("Retry-After", "5")],
    )


def _from_bug(error: Exception) -> Response:
    logger.error("error while answering %s %s", request.method, request.path, exc_info=error)
    return problem_response(
        500, Words("The device made an error of its own; its log has more. Try again.")
    )


def _detail(error: HTTPException) -> str:
    if error.code == HTTPStatus.NOT_FOUND:
        return f"There is nothing at {request.path}; /openapi.json lists what there is."
    if error.code == HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = ", ".join(sorted(getattr(error, "valid_methods", None) or []))
        return f"{request.method} does not work at {request.path}; use {allowed}."
    if error.code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return Words(
            "The request is too large; a photo may have at most 64 MiB. Send a smaller one."
        )
    return error.description or "The request cannot be understood."
