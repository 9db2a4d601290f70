"""Open networks: the embedded one, a featurizer folder, an ONNX file, or one of the zoo."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from catalog.core.errors import FeaturizerError
from catalog.core.settings import CatalogSettings
from catalog.networks.engines.choice import CHECKPOINT_ENGINES, CHOICES
from catalog.networks.featurizer import Featurizer
from catalog.networks.network import EMBEDDED, Descriptor, Network
from catalog.networks.zoo import EFFICIENTNET, ensure_installed, is_here, zoo_networks

Triple = tuple[float, float, float]

EMBEDDED_MODEL = "embedded"


@dataclass(frozen=True)
class Preprocessing:
    """How to feed an ONNX file, as given on the command line."""

    size: int = 224
    channels: str = "rgb"
    mean: str = "127.5"
    std: str = "127.5"
    resize: str = "crop"
    output: str | None = None


def default_models(engine: str, cache: Path) -> tuple[str, ...]:
    """Return the networks that a build uses where the owner names none.

    They are the embedded network and EfficientNet-Lite0, where that one can be used.
    """
    if engine in CHECKPOINT_ENGINES or not any(map(find_spec, CHOICES)):
        return (EMBEDDED_MODEL,)
    return (EMBEDDED_MODEL, EFFICIENTNET) if is_here(EFFICIENTNET, cache) else (EMBEDDED_MODEL,)


def open_model(
    model: str,
    preprocessing: Preprocessing | None = None,
    engine: str = "auto",
    cache: Path | None = None,
) -> Featurizer:
    """Open the network that ``--model`` names, or two with a plus sign between their names.

    Args:
        model: "embedded", a featurizer folder, an ONNX file, or a name of `zoo.zoo_networks`; or
            two of them, as in "embedded+efficientnet-lite0".
        preprocessing: For an ONNX file only.
        engine: Which engine runs it.
        cache: The build cache, where networks of the zoo are installed.

    Raises:
        FeaturizerError: There is no such network, or it cannot be used.
        MissingExtraError: No engine, or not the package of a network of the zoo, is installed.
    """
    models = [model] if Path(model).exists() else model.split("+")
    return open_models(models, preprocessing, engine, cache)


def open_models(
    models: Sequence[str],
    preprocessing: Preprocessing | None = None,
    engine: str = "auto",
    cache: Path | None = None,
) -> Featurizer:
    """Open one network, or two that answer together; see `open_model`."""
    opened = [_open(model, preprocessing, engine, cache) for model in models]
    if len(opened) == 1:
        return opened[0]
    for model, featurizer in zip(models, opened, strict=True):
        if len(featurizer.networks) > 1:
            raise FeaturizerError(f"{model}: holds two networks already; name it alone")
    return Featurizer(*(featurizer.networks[0] for featurizer in opened))


def _open(
    model: str, preprocessing: Preprocessing | None, engine: str, cache: Path | None
) -> Featurizer:
    path = Path(model)
    in_zoo = not path.exists() and model in zoo_networks()
    if model == EMBEDDED_MODEL or path.is_dir() or in_zoo:
        if preprocessing is not None:
            raise FeaturizerError(
                f"{model}: its preprocessing is fixed; --size, --mean and the like "
                "go with an ONNX file"
            )
        if in_zoo:
            path = ensure_installed(model, cache or CatalogSettings().cache)
        return Featurizer.open(EMBEDDED if model == EMBEDDED_MODEL else path, engine)
    if not path.is_file():
        raise FeaturizerError(
            f"{model}: no such ONNX file or featurizer folder, and no network by that name "
            "(see: visual-search catalog model list)"
        )
    described = describe(path, preprocessing or Preprocessing())
    return Featurizer(Network(path.parent, described, engine))


def describe(network: Path, preprocessing: Preprocessing) -> Descriptor:
    """Return the descriptor of an ONNX file for options of the command line."""
    resize, _, side = preprocessing.resize.partition(":")
    if resize not in ("crop", "letterbox", "squash") or (side and resize != "crop"):
        raise FeaturizerError(
            f"--resize {preprocessing.resize}: wanted is crop, crop:SHORT_SIDE, letterbox or squash"
        )
    if preprocessing.channels not in ("rgb", "bgr"):
        raise FeaturizerError(f"--channels {preprocessing.channels}: wanted is rgb or bgr")
    size = preprocessing.size
    try:
        short_side = int(side) if side else round(size * 256 / 224)
    except ValueError as error:
        raise FeaturizerError(f"--resize crop:{side}: {side!r} is no number of pixels") from error
    return Descriptor(
        name=network.stem,
        network=network.name,
        output=preprocessing.output,
        size=size,
        channels="rgb" if preprocessing.channels == "rgb" else "bgr",
        mean=_triple("--mean", preprocessing.mean),
        std=_triple("--std", preprocessing.std),
        resize="crop" if resize == "crop" else "squash" if resize == "squash" else "letterbox",
        short_side=short_side if resize == "crop" else None,
    )


def _triple(option: str, text: str) -> Triple:
    try:
        numbers = tuple(float(number) for number in text.split(","))
    except ValueError as error:
        raise FeaturizerError(
            f"{option} {text}: wanted is one number, or three by commas"
        ) from error
    if len(numbers) == 1:
        return numbers[0], numbers[0], numbers[0]
    if len(numbers) != 3:
        raise FeaturizerError(f"{option} {text}: wanted is one number, or three by commas")
    return numbers[0], numbers[1], numbers[2]
