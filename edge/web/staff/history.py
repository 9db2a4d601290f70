"""The history for staff: what was seen, as a list and a table, and what was asked for in vain."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from datetime import datetime

from flask import Flask, Response, jsonify, request

from catalog.core.errors import VisualSearchError
from edge.history.missing import Group
from edge.history.store import Entry, Filters, History
from edge.sighting import Said
from edge.web.documents import Document
from edge.web.interfaces import ServedAppliance
from edge.web.problems import ProblemError
from edge.web.staff.access import STAFF_PATH
from sync.outbox.clock import timestamp

ANSWERS = ("match", "one_of", "perhaps", "unknown")
MOST, LONGEST_TEXT, LARGEST_NUMBER = 200, 200, 2**53
FLUSH_S = 2.0  # that an answer waits for what was just seen
TABLE = (
    "at", "answer", "sku", "title", "sure", "others", "code", "unknown_gtin", "chosen", "wanted",
    "judged", "judged_sku",
    "catalogue", "id",
)  # fmt: skip
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet would compute


class HistoryRoutes:
    """The routes.

    Args:
        appliance: The appliance.
    """

    def __init__(self, appliance: ServedAppliance) -> None:
        self._appliance = appliance

    def add_to(self, app: Flask) -> None:
        """Serve the routes."""
        path = f"{STAFF_PATH}history"
        app.add_url_rule(path, view_func=self.history)
        app.add_url_rule(path, view_func=self.forget_history, methods=["DELETE"])
        app.add_url_rule(f"{path}.csv", view_func=self.history_table)
        app.add_url_rule(f"{path}/<sighting_id>/look.jpg", view_func=self.kept_look)
        app.add_url_rule(f"{STAFF_PATH}missing", view_func=self.missing)

    def history(self) -> Response:
        """Sightings, the newest first."""
        history, limit = self._history(), _whole("limit", 50, MOST)
        before = _whole("before", 0, LARGEST_NUMBER)
        entries = history.entries(_filters(), before, limit)
        said = self._appliance.said_of([entry.id for entry in entries])
        titles = self._titles(
            {*(entry.chosen for entry in entries), *(s.sku for s in said.values())}
        )
        more = entries[-1].number if entries and len(entries) == limit else None
        return jsonify(
            {
                "sightings": [_document(entry, said.get(entry.id), titles) for entry in entries],
                "before": more,
                "keeps_looks": history.retention.looks,
            }
        )

    def history_table(self) -> Response:
        """The same as a table."""
        rows, said = self._history().all(_filters()), self._appliance.said_of(None)
        response = Response(_table(rows, said), content_type="text/csv; charset=utf-8")
        response.headers["Content-Disposition"] = "attachment; filename=history.csv"
        return response

    def kept_look(self, sighting_id: str) -> Response:
        """The look of a sighting, where it was kept."""
        jpeg = self._history().look(sighting_id)
        if jpeg is None:
            raise ProblemError(404, "No look of this sighting is kept.")
        return Response(jpeg, content_type="image/jpeg")

    def forget_history(self) -> Response:
        """Remove everything that was kept."""
        self._history().forget()
        return jsonify({"sightings": [], "before": None, "keeps_looks": False})

    def missing(self) -> Response:
        """What was shown and could not be named, the most often asked for first."""
        self._history()
        return jsonify({"groups": [_group_document(group) for group in self._appliance.missing()]})

    def _titles(self, skus: Collection[str]) -> dict[str, str]:
        """The titles of the items with these skus, where the open catalogue has them."""
        try:
            catalogue = self._appliance.catalogue
            items = [catalogue.item(sku) for sku in skus if sku]
        except VisualSearchError:
            return {}
        return {item.sku: item.title for item in items if item is not None}

    def _history(self) -> History:
        recorder = self._appliance.history
        if recorder is None:
            raise ProblemError(404, "This device cannot keep a history; its log says why.")
        recorder.flush(FLUSH_S)
        return recorder.history


def _filters() -> Filters:
    """The filters of the request.

    Raises:
        ProblemError: 400, one is wrong.
    """
    answer, text = request.args.get("answer", ""), request.args.get("q", "").strip()
    if answer and answer not in ANSWERS:
        raise ProblemError(400, f"answer is one of {', '.join(ANSWERS)}.")
    if len(text) > LONGEST_TEXT:
        raise ProblemError(400, f"The text is longer than {LONGEST_TEXT} letters.")
    filters = Filters(answer=answer, text=text, asked=request.args.get("asked") == "1")
    return replace(filters, since=_time("since", 0.0), until=_time("until", math.inf))


def _time(name: str, otherwise: float) -> float:
    """A time of the request in Unix seconds; a day alone is its beginning on this device."""
    text = request.args.get(name, "")
    if not text:
        return otherwise
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError) as error:
        raise ProblemError(400, f"{name} is a day or a time, as 2026-11-29.") from error


def _whole(name: str, otherwise: int, most: int) -> int:
    text = request.args.get(name, str(otherwise))
    if not (text.isascii() and text.isdigit() and len(text) < 17 and int(text) <= most):
        raise ProblemError(400, f"{name} is a whole number of at most {most}.")
    return int(text)


def _document(entry: Entry, said: Said | None, titles: Mapping[str, str]) -> Document:
    judged: Document | None = None
    if said is not None:
        title = titles.get(said.sku) or None
        judged = {"verdict": said.verdict, "sku": said.sku or None, "title": title}
    return {
        "id": entry.id,
        "at": timestamp(entry.at),
        "answer": entry.answer,
        "sku": entry.sku or None,
        "title": entry.title or None,
        "sure": round(entry.sure, 3),
        "others": list(entry.others),
        "code": entry.code or None,
        "unknown_gtin": entry.unknown_gtin or None,
        "bundle": entry.bundle,
        "chosen": entry.chosen or None,
        "chosen_title": titles.get(entry.chosen) or None,
        "wanted": entry.wanted,
        "has_look": entry.has_look,
        "judged": judged,
    }


def _group_document(group: Group) -> Document:
    return {
        "count": group.count,
        "wanted": group.wanted,
        "gtin": group.gtin or None,
        "first": timestamp(group.first),
        "last": timestamp(group.last),
        "looks": list(group.looks),
    }


def _table(entries: Iterator[Entry], said: Mapping[str, Said]) -> Iterator[bytes]:
    """The rows of a CSV file, as spreadsheets read them: in UTF-8 with its mark."""
    yield b"\xef\xbb\xbf" + _line(TABLE)
    for entry in entries:
        judged = said.get(entry.id)
        yield _line(
            (
                timestamp(entry.at),
                entry.answer,
                entry.sku,
                entry.title,
                f"{entry.sure:.3f}" if entry.sku else "",
                "; ".join(entry.others),
                entry.code,
                entry.unknown_gtin,
                entry.chosen,
                "yes" if entry.wanted else "",
                judged.verdict if judged is not None else "",
                judged.sku if judged is not None else "",
                entry.bundle,
                entry.id,
            )
        )


def _line(cells: tuple[str, ...]) -> bytes:
    line = io.StringIO()
    csv.writer(line).writerow(f"'{cell}" if cell.startswith(FORMULA) else cell for cell in cells)
    return line.getvalue().encode()
