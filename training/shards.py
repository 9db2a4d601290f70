"""The bank's shards as they lie in the cache; `training.bank` says what they hold."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Shard:
    """A finished part of the bank, memory-mapped; the fields are those of `training.bank`."""

    name: str
    pictures: npt.NDArray[np.uint8]
    answers: npt.NDArray[np.float16]
    source: npt.NDArray[np.int64]
    thing: npt.NDArray[np.int64]

    @classmethod
    def open(cls, folder: Path) -> "Shard":
        """Open a shard's files."""
        fields = ("pictures", "answers", "source", "thing")
        return cls(folder.name, *(np.load(folder / f"{f}.npy", mmap_mode="r") for f in fields))


def shard_folders(cache: Path) -> list[Path]:
    """The finished shards, oldest first."""
    return sorted(p for p in (cache / "bank").glob("[0-9]*") if p.is_dir())
