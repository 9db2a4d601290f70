"""The settings of a training run, read from `settings.toml`."""

import tomllib
from dataclasses import dataclass
from pathlib import Path

SETTINGS = Path(__file__).with_name("settings.toml")


@dataclass(frozen=True)
class NetworkSettings:
    """Shape of the network."""

    stem: int
    widths: list[int]
    blocks: list[int]
    last: int
    dimensions: int


@dataclass(frozen=True)
class InputSettings:
    """Normalisation (pixels 0..255) and picture sizes: [share of the time budget, side] pairs."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    sizes: list[list[float]]

    def size(self, progress: float) -> int:
        """Side of the training pictures at a share 0..1 of the time budget."""
        return int([side for start, side in self.sizes if start <= progress][-1])


@dataclass(frozen=True)
class BankSettings:
    """How many Caltech classes are left out, what a shard holds, and how many shards are kept."""

    held_back: int
    photos: int
    set_shares: list[float]
    least_area: float
    mixed: int
    varied: int
    drawn: int
    pairs: int
    shards: int


@dataclass(frozen=True)
class BatchSettings:
    """What a batch holds."""

    bank: int
    photos: float
    patched: float
    pairs: int
    groups: int
    singles: int
    views: int


@dataclass(frozen=True)
class OptimiserSettings:
    """A warm-up, an even rate, a fall from a share of the budget on, a moving average."""

    rate: float
    vector_rate: float
    weight_decay: float
    warm_up: float
    fall: float
    average: float

    def rate_share(self, progress: float) -> float:
        """Learning rate as a share of its peak at a share 0..1 of the time budget."""
        rising = (progress + 1e-3) / (self.warm_up + 1e-3)
        falling = (1.001 - progress) / (1.001 - self.fall)
        return max(0.0, min(1.0, rising, falling))


@dataclass(frozen=True)
class LossSettings:
    """Weights and constants of the losses."""

    whiten: float
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
class FinetuneSettings:
    """Items in a batch (two views each), the rate, and the weight of what was said before."""

    items: int
    rate: float
    temperature: float
    keep: float


@dataclass(frozen=True)
class Settings:
    """All settings."""

    network: NetworkSettings
    input: InputSettings
    bank: BankSettings
    batch: BatchSettings
    optimiser: OptimiserSettings
    loss: LossSettings
    finetune: FinetuneSettings


def read(file: Path) -> Settings:
    """Read a settings file; unknown and missing names raise TypeError."""
    raw = tomllib.loads(file.read_text(encoding="utf-8"))
    given = raw["input"]
    return Settings(
        NetworkSettings(**raw["network"]),
        InputSettings(tuple(given["mean"]), tuple(given["std"]), given["sizes"]),
        BankSettings(**raw["bank"]),
        BatchSettings(**raw["batch"]),
        OptimiserSettings(**raw["optimiser"]),
        LossSettings(**raw["loss"]),
        FinetuneSettings(**raw["finetune"]),
    )
