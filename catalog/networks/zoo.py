"""The model zoo: networks known by name, where each comes from, and which are installed.

``zoo.tsv`` describes one network a line. Lines with the same sha256 are the same file, so that
file is looked for at all of their addresses.
"""

from __future__ import annotations

import csv
import difflib
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from catalog.core.errors import FeaturizerError

TABLE = Path(__file__).with_name("zoo.tsv")
EFFICIENTNET = "efficientnet-lite0"
FOLDER = "models"  # below the build cache


@dataclass(frozen=True)
class ZooNetwork:
    """A network known by name.

    Attributes:
        name: Its name.
        addresses: Where its ONNX file can be fetched; empty where it comes from a package.
        sha256: Of the file, hex.
        bytes: Size of the file.
        dimensions: Length of its output.
        size: Side of its input in pixels.
        licence: Of the weights.
        mean, std: How it is fed; see `catalog.networks.models.Preprocessing`.
        extra: The extra whose Python package brings it, or None.
    """

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
def zoo_networks() -> dict[str, ZooNetwork]:
    """Return all networks by name."""
    with TABLE.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    networks = {
        EFFICIENTNET: ZooNetwork(
            EFFICIENTNET, (), "", 18_826_032, 1280, 224, "Apache-2.0", "127", "128", "pretrained"
        )
    }
    for row in rows:
        others = [line["address"] for line in rows if line["sha256"] == row["sha256"]]
        networks[row["name"]] = ZooNetwork(
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


def find(name: str) -> ZooNetwork:
    """Return a network by its name.

    Raises:
        FeaturizerError: There is none; the message names the most similar one.
    """
    networks = zoo_networks()
    if name not in networks:
        near = difflib.get_close_matches(name, networks, 1)
        hint = f"; is {near[0]} meant?" if near else ""
        raise FeaturizerError(
            f"{name}: no such network{hint} (see: visual-search catalog model list)"
        )
    return networks[name]


def folder_of(name: str, cache_folder: Path) -> Path:
    """Return the featurizer folder of a network, whether it exists or not."""
    return cache_folder / FOLDER / name


def is_installed(name: str, cache_folder: Path) -> bool:
    """Return whether the featurizer folder of a network exists."""
    return (folder_of(name, cache_folder) / "descriptor.json").is_file()


def is_here(name: str, cache_folder: Path) -> bool:
    """Return whether a network can be used: its folder or the package it comes from is here."""
    if is_installed(name, cache_folder) or find(name).extra is None:
        return is_installed(name, cache_folder)
    from catalog.networks.pretrained import efficientnet_lite0

    return all(find_spec(package) for package in (efficientnet_lite0.PACKAGE, "onnx"))


def ensure_installed(name: str, cache_folder: Path) -> Path:
    """Return the featurizer folder of a network; make it where the network is in a package.

    Raises:
        FeaturizerError: There is no such network, or it has not been fetched.
        MissingExtraError: The package it comes from is not installed.
    """
    network = find(name)
    folder = folder_of(name, cache_folder)
    if is_installed(name, cache_folder):
        return folder
    if network.extra is None:
        raise FeaturizerError(
            f"{name}: not fetched yet; fetch its {network.bytes / 1e6:.0f} MB with: "
            f"visual-search catalog model pull {name}"
        )
    from catalog.networks.pretrained.efficientnet_lite0 import write_efficientnet_lite0

    write_efficientnet_lite0(folder)
    return folder
