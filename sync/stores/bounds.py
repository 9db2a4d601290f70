"""Limit the size and the time of answers from S3.

botocore reads the body of an error whatever its size, and its time-out begins anew with each byte
of a header. A hostile or broken store must neither fill this device's memory nor keep it waiting.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any

ANSWER_TIMEOUT_S = 60.0  # from a request to the headers of its answer, or to all of an error
MAX_ERROR_BYTES = 1 << 16  # S3's own errors have less than a thousand


def limit_answers(client: Any) -> None:
    """Apply the limits to a boto3 client."""
    session = client._endpoint.http_session  # botocore has no public name for it

    def send(request: Any, **_: object) -> Any:
        """Send a request in place of botocore, whose event ``before-send`` allows that."""
        streamed = request.stream_output
        request.stream_output = True  # else the session reads the whole body

        def ask() -> Any:
            response = session.send(request)
            if not streamed or response.status_code >= 300:
                response._content = response.raw.read(MAX_ERROR_BYTES) or b""
                if len(response._content) == MAX_ERROR_BYTES:
                    response.raw.close()
            return response

        # an upload may take long: it is an owner's, who waits for it
        return in_time(ask, request.url) if request.method in ("GET", "HEAD") else ask()

    client.meta.events.register("before-send.s3", send)


def in_time(ask: Callable[[], Any], url: str) -> Any:
    """Return or raise what `ask` does; a thread that takes too long is abandoned.

    Raises:
        botocore.exceptions.ReadTimeoutError: It took longer than `ANSWER_TIMEOUT_S`.
    """
    from botocore.exceptions import ReadTimeoutError

    answers: queue.Queue[tuple[Any, BaseException | None]] = queue.Queue()

    def run() -> None:
        try:
            answers.put((ask(), None))
        except BaseException as error:
            answers.put((None, error))

    threading.Thread(target=run, name="asking S3", daemon=True).start()
    try:
        answer, error = answers.get(timeout=ANSWER_TIMEOUT_S)
    except queue.Empty:
        raise ReadTimeoutError(endpoint_url=url, error="no answer in time") from None
    if error is not None:
        raise error
    return answer
