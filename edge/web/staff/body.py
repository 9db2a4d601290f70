"""Read the JSON object that a request brings."""

from __future__ import annotations

import json

from flask import request

from edge.web.problems import ProblemError

MOST_BYTES = 16_384


def body() -> dict[str, object]:
    """The JSON object of the request.

    Raises:
        ProblemError: 400, there is none; 411, its length is not told; 413, it is too large.
    """
    if "Transfer-Encoding" in request.headers:
        raise ProblemError(411, "Send the JSON object with a Content-Length, not in chunks.")
    if (request.content_length or 0) > MOST_BYTES:
        raise ProblemError(413, f"Send a JSON object of at most {MOST_BYTES:,} bytes.")
    try:
        found = request.get_json(force=True, silent=True)
        json.dumps(found, ensure_ascii=False).encode()  # JSON may spell halves of letters
    except (RecursionError, UnicodeEncodeError):
        found = None
    if not isinstance(found, dict):
        raise ProblemError(400, "The request brings no JSON object.")
    return found
