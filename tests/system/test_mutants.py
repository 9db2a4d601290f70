"""What `make mutants` relies on."""

from __future__ import annotations

import gc

from sync.outbox import rows
from tests.proofs.mutants.trials import _functions


def test_functions_that_the_search_for_garbage_leaves_out_are_found() -> None:
    """After the collection of tests all objects are frozen, and `gc` does not name them."""
    gc.freeze()
    code = rows.append.__code__
    found = _functions()[code.co_filename, code.co_qualname, code.co_firstlineno]
    assert found == [rows.append]
