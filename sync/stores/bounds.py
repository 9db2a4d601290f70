"""Answers from S3 that end.

botocore reads the body of an error whatever its size, and its time-out counts from one byte
of a header to the next. A store that is hostile, or broken, must neither fill a device's
memory nor hold it.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any

ANSWER_SECONDS = 60.0  # from a question to the headers of its answer, or to all of an error
MOST_BYTES = 1 << 16  # of an answer that is no object; S3's are below a thousand


def bound(client: Any) -> None:
    """Let a boto3 client's questions be answered within bounds."""
    session = client._endpoint.http_session  # it has no public name

    def send(request: Any, **_: object) -> Any:
        """Instead of botocore's own sending, event ``before-send``."""
        streamed = request.stream_output
        request.stream_output = True  # else the session reads all of it

        def ask() -> Any:
            response = session.send(request)
            if not streamed or response.status_code >= 300:
                response._content = response.raw.read(MOST_BYTES) or b""
                if len(response._content) == MOST_BYTES:
                    response.raw.close()
            return response

        # what is sent to the store may take its time: an owner waits for it
        return in_time(ask, request.url) if request.method in ("GET", "HEAD") else ask()

    client.meta.events.register("before-send.s3", send)


def in_time(ask: Callable[[], Any], url: str) -> Any:
    """What `ask` returns or raises; a thread that does not come back is left behind.

    Raises:
        botocore.exceptions.ReadTimeoutError: It took longer than `ANSWER_SECONDS`.
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
        answer, error = answers.get(timeout=ANSWER_SECONDS)
    except queue.Empty:
        raise ReadTimeoutError(endpoint_url=url, error="no answer in time") from None
    if error is not None:
        raise error
    return answer
