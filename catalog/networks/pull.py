"""Fetch a well-known network by name and make its featurizer folder."""

from __future__ import annotations

from pathlib import Path

from catalog.core.download import Progress, download
from catalog.core.errors import MissingExtraError
from catalog.networks.models import Preprocessing
from catalog.networks.zoo import FOLDER, ZooNetwork, ensure_installed, find, folder_of


def pull(name: str, cache_folder: Path, progress: Progress = lambda done, total: None) -> Path:
    """Fetch a network; returns its featurizer folder, which ``--model NAME`` then opens.

    Raises:
        FeaturizerError: There is no such network, or what was fetched cannot be run.
        MissingExtraError: The package onnx, or the one it comes from, is not installed.
        NetworkError: No address had the file; says of each why.
    """
    network = find(name)
    if network.extra is not None:
        return ensure_installed(name, cache_folder)
    try:
        import onnx  # noqa: F401  # wanted afterwards: better said before 100 MB
    except ModuleNotFoundError as error:
        raise MissingExtraError("fetching a network", "models") from error
    from catalog.networks.importing.importer import import_model

    file = cache_folder / FOLDER / "fetched" / f"{network.sha256}.onnx"
    download(network.addresses, file, network.sha256, network.bytes, progress)
    folder = folder_of(name, cache_folder)
    import_model(file, folder, preprocessing(network), name, network.licence)
    file.unlink()
    return folder


def preprocessing(network: ZooNetwork) -> Preprocessing:
    """How a network is fed."""
    return Preprocessing(size=network.size, mean=network.mean, std=network.std)
