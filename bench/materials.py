"""Find the folder with the photos and networks for tests and training."""

import os
from pathlib import Path

DEFAULT = "../shared"


def materials() -> Path | None:
    """The folder named by `VISUAL_SEARCH_MATERIALS`; None where it has no `data/`."""
    folder = Path(os.environ.get("VISUAL_SEARCH_MATERIALS", DEFAULT))
    return folder if (folder / "data").is_dir() else None
