"""The settings of a training run, read from `settings.toml`."""

import tomllib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class NetworkSettings:
    """Shape of the network."""

    stem: int
    widths: list[int]
    blocks: list[int]
    dimensions: int


@dataclass(frozen=True)
class InputSettings:
    """Normalisation (pixels 0..255) and picture sizes: [share of the time budget, side] pairs."""

    mean: list[float]
    std: list[float]
    sizes: list[list[float]]

    def size(self, progress: float) -> int:
        """Side of the training pictures at a share 0..1 of the time budget."""
        return int([side for start, side in self.sizes if start <= progress][-1])


@dataclass(frozen=True)
class BatchSettings:
    """What a batch holds."""

    photos: int
    set_shares: list[float]
    groups: int
    singles: int
    views: int


@dataclass(frozen=True)
class OptimiserSettings:
    """AdamW, a warm-up, a cosine fall over the time budget, a moving `average` of the weights."""

    rate: float
    proxy_rate: float
    weight_decay: float
    warm_up: float
    average: float


@dataclass(frozen=True)
class LossSettings:
    """Weights and constants of the losses."""

    teacher_dimensions: int
    distil: float
    relations: float
    labels: list[float]
    label_scale: float
    things: float
    thing_scale: float
    thing_margin: float
    pairs: float
    pair_temperature: float


@dataclass(frozen=True)
class Settings:
    """All settings."""

    network: NetworkSettings
    input: InputSettings
    batch: BatchSettings
    optimiser: OptimiserSettings
    loss: LossSettings


def read(file: Path) -> Settings:
    """Read a settings file; unknown and missing names raise TypeError."""
    raw = tomllib.loads(file.read_text(encoding="utf-8"))
    return Settings(
        NetworkSettings(**raw["network"]),
        InputSettings(**raw["input"]),
        BatchSettings(**raw["batch"]),
        OptimiserSettings(**raw["optimiser"]),
        LossSettings(**raw["loss"]),
    )
