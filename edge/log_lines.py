"""Hold the last lines of this process's log in memory, for the staff to read.

The lines about answers go there and to a terminal alone: a service's log wears a memory card.
"""

from __future__ import annotations

import logging
from collections import deque

MOST = 500  # lines
LONGEST = 1000  # characters of a line
ANSWERS = "edge.answers"  # the logger that writes a line for each answer


class LogLines(logging.Handler):
    """Takes in log records, once it is added to a logger. Any thread may use it."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        self._lines: deque[str] = deque(maxlen=MOST)

    def emit(self, record: logging.LogRecord) -> None:
        """See `logging.Handler.emit`."""
        self._lines.extend(line[:LONGEST] for line in self.format(record).splitlines())

    def lines(self) -> list[str]:
        """The last lines, the oldest first."""
        self.acquire()
        try:
            return list(self._lines)
        finally:
            self.release()


def is_no_answer(record: logging.LogRecord) -> bool:
    """A filter for handlers: whether a record is not about an answer."""
    return record.name != ANSWERS
