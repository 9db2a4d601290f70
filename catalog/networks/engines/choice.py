"""Find the engine that a setting names, or the first that is installed, and open it."""

from __future__ import annotations

import importlib
from pathlib import Path

from catalog.core.errors import FeaturizerError, MissingExtraError, SurroundingsError
from catalog.networks.engines.base import Engine
from catalog.networks.engines.checkpoint import has_checkpoint

PACKAGED = ("onnxruntime", "openvino")  # fast ones, each with a package of its own
CHOICES = (*PACKAGED, "opencv")  # they run an ONNX network
DEVICES = ("CPU", "GPU")  # of openvino
CHECKPOINT_ENGINES = ("mxnet", "awscam")  # they run a checkpoint that lies beside the network


def open_engine(network: Path, output: str | None, choice: str = "auto") -> Engine:
    """Open an ONNX network.

    Args:
        network: The ONNX file.
        output: Name of the output; None takes ``embedding``, or else the last output.
        choice: Name of an engine, or "auto" for the first that is installed of onnxruntime,
            openvino, mxnet where a checkpoint lies beside the network, and opencv.
            "openvino:GPU" runs the network on a GPU, where there is one.

    Raises:
        MissingExtraError: The chosen engine is not installed.
        SurroundingsError: The chosen engine exists only on other devices, or its version was
            never tried.
        FeaturizerError: The engine cannot read the network, or there is no such output.
    """
    known = (*CHOICES, *CHECKPOINT_ENGINES)
    choice, _, device = choice.partition(":")
    if device and (choice != "openvino" or device not in DEVICES):
        raise FeaturizerError(
            f"engine {choice}:{device}: only openvino runs on another device, GPU"
        )
    if choice not in ("auto", *known):
        raise FeaturizerError(f"unknown engine {choice!r}; choose one of {', '.join(known)}")
    with_checkpoint = ("mxnet",) if has_checkpoint(network) else ()
    automatic = (*PACKAGED, *with_checkpoint, "opencv")
    for name in automatic if choice == "auto" else (choice,):
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
    raise MissingExtraError(f"the engine {choice}", choice)


def installed() -> tuple[str, ...]:
    """Return the names of the engines that can be used."""
    names = []
    for name in CHOICES:
        try:
            importlib.import_module(f"catalog.networks.engines.{name}")
        except (ImportError, SurroundingsError):
            continue
        names.append(name)
    return tuple(names)
