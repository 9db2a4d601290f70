"""Keep what staff says about answers: right, wrong, or which item it was.

They are in ``judgements.db`` in the state folder, an SQLite database, the newest 10,000.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from catalog.core import durable
from catalog.core.errors import SurroundingsError
from edge.sighting import Judgement, Said
from sync.outbox.clock import timestamp

FILE = "judgements.db"
TABLE = "judgements"
MOST = 10_000  # the oldest go first
TIMEOUT_S = 5.0  # that another process may hold the database

log = logging.getLogger(__name__)


class Judgements:
    """Stores judgements: one is on the disk when `add` returns. Any thread may use it.

    Args:
        folder: The state folder.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._lock = threading.Lock()

    def add(self, judgement: Judgement, at: float) -> None:
        """Store a judgement; what a second one about a sighting says replaces the first.

        Args:
            judgement: The judgement.
            at: When it was given, in Unix seconds.

        Raises:
            SurroundingsError: It cannot be written.
        """
        sighting = judgement.sighting
        row: dict[str, object] = {
            "sighting": sighting.id,
            "at": timestamp(sighting.at),
            "judged_at": timestamp(at),
            "bundle": sighting.bundle,
            "answer": sighting.verdict.claim,
            "verdict": judgement.verdict,
            "sku": judgement.sku or None,
        }
        if judgement.knows_shown:
            row["shown"] = [item.item.sku for item in sighting.matches or sighting.guesses]
        with self._lock:
            try:
                self._insert(row)
            except (sqlite3.OperationalError, OSError) as error:
                raise SurroundingsError(f"{self._path.name}: cannot be written: {error}") from error
            except sqlite3.DatabaseError as error:
                log.warning("%s: damaged, begun anew: %s", self._path, error)
                self._path.replace(self._path.with_suffix(".damaged"))
                self._insert(row)

    def said_of(self, sightings: Sequence[str] | None) -> dict[str, Said]:
        """What staff said of some sightings, by their ids; of all, where None is given.

        Where it cannot be read, that is logged, and nothing is known.
        """
        sql = f"select sighting, verdict, sku from {TABLE}"  # noqa: S608 - a constant
        if sightings is not None:
            sql += f" where sighting in ({', '.join('?' * len(sightings))})"
        if not self._path.exists():
            return {}
        try:
            with self._lock, closing(sqlite3.connect(self._path, TIMEOUT_S)) as connection:
                rows = connection.execute(sql, sightings or ()).fetchall()
        except sqlite3.Error as error:
            log.warning("%s: cannot be read: %s", self._path, error)
            return {}
        return {sighting: Said(verdict, sku or "") for sighting, verdict, sku in rows}

    def _insert(self, row: dict[str, object]) -> None:
        import sqlite_utils  # here, because most devices never hear a judgement

        durable.make_private_folder(self._path.parent)
        os.close(durable.private(self._path, os.O_CREAT | os.O_RDWR))
        with closing(sqlite3.connect(self._path, TIMEOUT_S)) as connection:
            connection.execute("pragma synchronous = full")
            database = sqlite_utils.Database(connection)
            table = database.table(TABLE)
            table.upsert(row, pk="sighting", columns={"sku": str}, alter=True)
            older = f"select sighting from {TABLE} order by judged_at desc limit -1 offset ?"  # noqa: S608 - a constant
            table.delete_where(f"sighting in ({older})", [MOST])
