"""Write a featurizer folder completely or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from catalog.core import durable
from catalog.core.access import why_unwritable
from catalog.core.errors import FeaturizerError, ShelfError
from catalog.networks.network import DESCRIPTOR


@contextmanager
def written_whole(out: Path) -> Iterator[Path]:
    """Yield a folder to write into; if the block succeeds, it replaces `out`.

    Raises:
        FeaturizerError: `out` exists and is no featurizer folder.
        ShelfError: It cannot be written.
    """
    out = out.absolute()
    if out.exists() and not (out / DESCRIPTOR).is_file():
        raise FeaturizerError(f"{out}: exists and is no featurizer folder; choose another one")
    work = out.with_name(f".{out.name}.writing")
    shutil.rmtree(work, ignore_errors=True)
    try:
        work.mkdir(parents=True)
        yield work
        durable.flush_tree(work)
        if out.exists():
            durable.exchange(work, out)
        else:
            work.rename(out)
            durable.flush_folder(out.parent)
    except OSError as error:
        raise ShelfError(f"{out}: cannot be written: {why_unwritable(error)}") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
