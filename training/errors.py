"""How the training's commands fail: by one plain sentence."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from catalog.core.errors import VisualSearchError


@contextmanager
def plain_errors() -> Iterator[None]:
    """End the program with a sentence and exit code 1 where the project's own errors come up."""
    try:
        yield
    except VisualSearchError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("stopped")
