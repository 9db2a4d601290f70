"""What ``make mutants`` needs of a process that has collected the tests."""

from __future__ import annotations

import gc

from catalog.bundles.manifest import verify
from tests.proofs.mutants.trials import _functions


def test_functions_are_found_that_the_collector_does_not_look_at_any_more() -> None:
    gc.freeze()
    code = verify.__code__
    assert verify in _functions()[code.co_filename, "verify", code.co_firstlineno]
    assert gc.get_freeze_count()
