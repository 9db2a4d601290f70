"""The bank's shards as they lie in the cache; `training.bank` says what they hold."""

import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from catalog.core import durable
from catalog.core.errors import ContentError
from catalog.core.locks import locked
from training.photos import Photo
from training.settings import BankSettings

MADE_OF = "made-of.json"


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


def open_shards(cache: Path, known: dict[str, Shard]) -> dict[str, Shard]:
    """The finished shards by name; one that is removed meanwhile is passed over.

    known: Those that are open already; their files may be gone, their pictures are not.

    Raises:
        ContentError: There is none.
    """
    found = {}
    for folder in shard_folders(cache):
        try:
            found[folder.name] = known.get(folder.name) or Shard.open(folder)
        except FileNotFoundError:
            continue
    if not found:
        raise ContentError(
            f"{cache}: no pictures with the teachers' answers yet; make some with: "
            "python -m training.bank"
        )
    return found


def remove(folder: Path) -> None:
    """Remove a shard: first its name, so that nobody finds half of it."""
    old = folder.rename(folder.with_name(f"removed-{folder.name}"))
    shutil.rmtree(old)


@contextmanager
def held(cache: Path) -> Iterator[Path]:
    """The bank's folder, for one process at a time; what a killed one left half done is removed.

    Raises:
        ContentError: Another process holds it.
    """
    bank = cache / "bank"
    bank.mkdir(parents=True, exist_ok=True)
    try:
        with locked(bank / "lock"):
            for half in (*bank.glob("making-*"), *bank.glob("removed-*")):
                shutil.rmtree(half)
            yield bank
    except BlockingIOError as error:
        raise ContentError(
            f"{bank}: another training.bank is making pictures there; stop it, or name another "
            "--cache"
        ) from error


def made_of(
    photos: Iterable[Photo], cutouts: Sequence[Path], settings: BankSettings
) -> dict[str, str]:
    """What a bank is made of, by digests of names, sizes and settings.

    Rows of the bank are numbers of photos and of cut-outs, so other lists give wrong labels.
    """
    parts = asdict(settings)
    del parts["shards"]  # how many are kept changes none of them
    listed: dict[str, object] = {
        "photos": [[*p.path.parts[-2:], p.set_number, p.path.stat().st_size] for p in photos],
        "cut-outs": [[path.name, path.stat().st_size] for path in cutouts],
        "settings in [bank]": parts,
    }
    return {
        name: hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
        for name, value in listed.items()
    }


def check_made_of(cache: Path, ours: dict[str, str]) -> None:
    """Refuse a cache whose bank is made of something else; one that does not say is taken.

    Raises:
        ContentError: What differs.
    """
    file = cache / MADE_OF
    if not file.exists():
        return
    theirs = json.loads(file.read_text(encoding="utf-8"))
    other = [name for name, digest in ours.items() if theirs.get(name) != digest]
    if other:
        raise ContentError(
            f"{cache}: its pictures were made with other {' and '.join(other)}; name another "
            f"--cache, or remove {cache / 'bank'} and {file}"
        )


def note_made_of(cache: Path, ours: dict[str, str]) -> None:
    """Check a cache, and in one without shards write down what its bank is made of."""
    check_made_of(cache, ours)
    if not shard_folders(cache):
        durable.write(cache / MADE_OF, json.dumps(ours, indent=2).encode())
