"""Find the engine that a setting names, or the first that is installed, and open it."""

from __future__ import annotations

import filecmp
import importlib
from collections.abc import Iterator
from pathlib import Path

from catalog.core.errors import FeaturizerError, MissingExtraError, SurroundingsError
from catalog.networks.engines.base import Engine
from catalog.networks.engines.checkpoint import has_checkpoint

CHOICES = ("onnxruntime", "openvino")  # they run any ONNX network; tried in this order for "auto"
DEVICES = ("CPU", "GPU")  # of openvino
SHIPPED = tuple(Path(__file__).parents[1].glob("*/network.onnx"))  # with the program
CHECKPOINT_ENGINES = ("mxnet", "awscam")  # they run a checkpoint that lies beside the network


def open_engine(network: Path, output: str | None, choice: str = "auto") -> Engine:
    """Open an ONNX network.

    Args:
        network: The ONNX file.
        output: Name of the output; None takes ``embedding``, or else the last output.
        choice: Name of an engine, or "auto" for the first that is installed: onnxruntime,
            openvino, mxnet where a checkpoint lies beside the network, opencv where the network
            ships with the program. "openvino:GPU" runs it on a GPU, where there is one.

    Raises:
        MissingExtraError: No engine, or not the chosen one, is installed.
        SurroundingsError: The chosen engine exists only on other devices, or its version was
            never tried.
        FeaturizerError: The engine cannot read the network, or there is no such output.
    """
    known = (*CHOICES, "opencv", *CHECKPOINT_ENGINES)
    choice, _, device = choice.partition(":")
    if device and (choice != "openvino" or device not in DEVICES):
        raise FeaturizerError(
            f"engine {choice}:{device}: only openvino runs on another device, GPU"
        )
    if choice not in ("auto", *known):
        raise FeaturizerError(f"unknown engine {choice!r}; choose one of {', '.join(known)}")
    if choice == "opencv" and not _is_shipped(network):
        raise FeaturizerError(
            f"{network}: opencv runs only the networks that ship with this program; set another "
            "[catalog] engine"
        )
    for name in _automatic(network) if choice == "auto" else (choice,):
        try:
            module = importlib.import_module(f"catalog.networks.engines.{name}")
        except ModuleNotFoundError as error:
            if error.name not in (name, "mo"):
                raise
            continue
        options = (device,) if device else ()
        engine: Engine = module.open(network, output, *options)
        return engine
    if choice == "awscam":
        raise SurroundingsError(
            "the engine awscam: only an AWS DeepLens has the package awscam; set another [catalog] "
            "engine"
        )
    raise MissingExtraError(
        "running a network" if choice == "auto" else f"the engine {choice}",
        CHOICES[0] if choice == "auto" else choice,
    )


def _automatic(network: Path) -> Iterator[str]:
    """Yield the engines that may run a network, the preferred ones first."""
    yield from CHOICES
    if has_checkpoint(network):
        yield "mxnet"
    if _is_shipped(network):
        yield "opencv"


def _is_shipped(network: Path) -> bool:
    """Whether a network is one of those that ship with the program, byte for byte."""
    return network.is_file() and any(filecmp.cmp(network, one, shallow=False) for one in SHIPPED)


def installed() -> tuple[str, ...]:
    """Return the names of the engines for any ONNX network that can be used."""
    names = []
    for name in CHOICES:
        try:
            importlib.import_module(f"catalog.networks.engines.{name}")
        except (ImportError, SurroundingsError):
            continue
        names.append(name)
    return tuple(names)
