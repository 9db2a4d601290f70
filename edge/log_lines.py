"""Hold the last lines of this process's log in memory, for the staff to read."""

from __future__ import annotations

import logging
from collections import deque

MOST = 500  # lines
LONGEST = 1000  # characters of a line


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
