"""Fetch a network of the model zoo and make its featurizer folder."""

from __future__ import annotations

from pathlib import Path

from catalog.core.download import ByteProgress, download
from catalog.core.errors import MissingExtraError
from catalog.networks.models import Preprocessing
from catalog.networks.zoo import FOLDER, ZooNetwork, ensure_installed, find, folder_of


def pull(name: str, cache_folder: Path, progress: ByteProgress = lambda done, total: None) -> Path:
    """Fetch a network and return its featurizer folder, which ``--model NAME`` then opens.

    Raises:
        FeaturizerError: There is no such network, or the fetched file cannot be run.
        MissingExtraError: The package onnx, or the package it comes from, is not installed.
        NetworkError: No address had the file; the message gives the reason for each.
    """
    network = find(name)
    if network.extra is not None:
        return ensure_installed(name, cache_folder)
    try:
        import onnx  # noqa: F401  # needed later; better to fail before a download of 100 MB
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
    """Return how a network is fed."""
    return Preprocessing(size=network.size, mean=network.mean, std=network.std)
