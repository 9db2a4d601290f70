"""Well-known networks by name: where they are fetched, what they are, which are here.

``known.tsv`` holds one network a line. Files of the same sha256 are the same file, so each
is looked for at all addresses that are listed for its digest.
"""

from __future__ import annotations

import csv
import difflib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from catalog.core.errors import FeaturizerError

TABLE = Path(__file__).with_name("zoo.tsv")
EFFICIENTNET = "efficientnet-lite0"
FOLDER = "models"  # below the build cache


@dataclass(frozen=True)
class Known:
    """A network that can be had by name: from an address, or from a Python package (`extra`)."""

    name: str
    addresses: tuple[str, ...]
    sha256: str
    bytes: int
    dimensions: int
    size: int
    licence: str
    mean: str
    std: str
    extra: str | None = None


@cache
def known_networks() -> dict[str, Known]:
    """All of them by name."""
    with TABLE.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    networks = {
        EFFICIENTNET: Known(
            EFFICIENTNET, (), "", 18_826_032, 1280, 224, "Apache-2.0", "127", "128", "pretrained"
        )
    }
    for row in rows:
        others = [one["address"] for one in rows if one["sha256"] == row["sha256"]]
        networks[row["name"]] = Known(
            name=row["name"],
            addresses=tuple(dict.fromkeys([row["address"], *others])),
            sha256=row["sha256"],
            bytes=int(row["bytes"]),
            dimensions=int(row["dimensions"]),
            size=int(row["size"]),
            licence=row["licence"],
            mean=row["mean"],
            std=row["std"],
        )
    return networks


def find(name: str) -> Known:
    """A network by its name.

    Raises:
        FeaturizerError: There is none; says which one is named alike.
    """
    networks = known_networks()
    if name not in networks:
        near = difflib.get_close_matches(name, networks, 1)
        hint = f"; is {near[0]} meant?" if near else ""
        raise FeaturizerError(
            f"{name}: no such network{hint} (see: visual-search catalog model list)"
        )
    return networks[name]


def folder_of(name: str, cache_folder: Path) -> Path:
    """Where the featurizer folder of a network by name lies, or will lie."""
    return cache_folder / FOLDER / name


def is_here(name: str, cache_folder: Path) -> bool:
    """Whether a network by name can be opened without fetching anything."""
    return (folder_of(name, cache_folder) / "descriptor.json").is_file()


def ready(name: str, cache_folder: Path) -> Path:
    """The featurizer folder of a network by name; one from a package is made when first asked.

    Raises:
        FeaturizerError: There is no such network, or it has not been fetched.
        MissingExtraError: The package it comes from is not installed.
    """
    network = find(name)
    folder = folder_of(name, cache_folder)
    if is_here(name, cache_folder):
        return folder
    if network.extra is None:
        raise FeaturizerError(
            f"{name}: not fetched yet; fetch its {network.bytes / 1e6:.0f} MB with: "
            f"visual-search catalog model pull {name}"
        )
    from catalog.networks.pretrained.efficientnet_lite0 import write_efficientnet_lite0

    write_efficientnet_lite0(folder)
    return folder
