"""The length of an upload is known before it is read, or it is refused."""

from __future__ import annotations

import pytest
from flask import Request
from waitress.adjustments import Adjustments
from werkzeug.datastructures import Headers
from werkzeug.test import EnvironBuilder

from edge.web.bodies import Parser
from edge.web.problems import ProblemError
from edge.web.uploads import uploaded_photo


@pytest.mark.parametrize(
    "headers",
    [{"Transfer-Encoding": "chunked"}, {"Content-Length": "4", "Transfer-Encoding": "chunked"}, {}],
    ids=["chunked", "both", "neither"],
)
def test_a_length_that_may_be_untrue_is_refused(headers: dict[str, str]) -> None:
    """Two lengths that disagree are how requests are smuggled past a proxy."""
    builder = EnvironBuilder(method="POST", path="/api/search", headers=Headers(headers))
    environ = builder.get_environ()
    if "Content-Length" in headers:
        environ["CONTENT_LENGTH"] = headers["Content-Length"]
    else:
        environ.pop("CONTENT_LENGTH", None)
    with pytest.raises(ProblemError, match="with a Content-Length, not in chunks") as raised:
        uploaded_photo(Request(environ))
    assert raised.value.status == 411


def test_a_length_of_thousands_of_digits_is_refused() -> None:
    """Python makes no number of it, and the server answers all the same."""
    parser = Parser(Adjustments(), lambda: False)
    parser.received(b"POST / HTTP/1.1\r\nContent-Length: " + b"1" * 5000 + b"\r\n\r\n")
    assert parser.completed
    assert parser.error is not None
    assert (parser.error.code, parser.error.body) == (400, "Content-Length is invalid")
