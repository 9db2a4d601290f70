"""Which lines a service's log gets, and which the staff's page."""

from __future__ import annotations

import io
import logging

from edge.log_lines import ANSWERS, LogLines, is_no_answer


def test_a_line_for_each_answer_is_for_the_staff_alone() -> None:
    """A service's log is on a memory card; the history has the answers."""
    journal, staff = logging.StreamHandler(io.StringIO()), LogLines()
    journal.addFilter(is_no_answer)
    handlers = (journal, staff)
    for name, line in ((ANSWERS, "match gear-24"), ("edge.appliance", "the catalogue is open")):
        record = logging.makeLogRecord({"name": name, "msg": line, "levelno": logging.INFO})
        for handler in handlers:
            handler.handle(record)
    assert journal.stream.getvalue().splitlines() == ["the catalogue is open"]
    assert "match gear-24" in staff.lines()[0]
