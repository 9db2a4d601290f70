"""Train the network; a stopped run goes on from its last checkpoint.

python -m training.run --materials ../shared --cache ~/.cache/visual-search-training --minutes 60
"""

import argparse
import logging
import math
import multiprocessing
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader

from training.augment import recoloured
from training.data import Crops, chosen_materials, class_numbers, resized, targets, train_photos
from training.loading import Batches
from training.loss import Goals
from training.network import Network
from training.settings import OptimiserSettings, Settings, read

log = logging.getLogger(__name__)

SAVE_EVERY = 180.0
LOG_EVERY = 50


def rate_share(progress: float, settings: OptimiserSettings) -> float:
    """Learning rate as a share of its peak at a share 0..1 of the time budget."""
    if progress < settings.warm_up:
        return (progress + 1e-3) / (settings.warm_up + 1e-3)
    return (
        0.5 * (1 + math.cos(math.pi * (progress - settings.warm_up) / (1 - settings.warm_up)))
        + 1e-3
    )


class Run:
    """One training run: network, its moving average, goals, optimiser and clock."""

    def __init__(self, settings: Settings, classes: Sequence[int], things: int) -> None:
        n, o = settings.network, settings.optimiser
        self.settings = settings
        self.network = Network(n.stem, n.widths, n.blocks, n.dimensions)
        self.average = {k: v.detach().clone() for k, v in self.network.state_dict().items()}
        self.goals = Goals(n.dimensions, classes, things, settings.loss)
        matrices = [p for p in self.network.parameters() if p.ndim > 1]
        vectors = [p for p in self.network.parameters() if p.ndim <= 1]
        self.optimiser = torch.optim.AdamW(
            [
                {"params": matrices, "lr": o.rate, "weight_decay": o.weight_decay},
                {"params": vectors, "lr": o.rate, "weight_decay": 0.0},
                {"params": list(self.goals.parameters()), "lr": o.proxy_rate, "weight_decay": 0.0},
            ],
            betas=(0.9, 0.98),
        )
        self.peaks = [float(group["lr"]) for group in self.optimiser.param_groups]
        self.steps = 0
        self.elapsed = 0.0
        self.noise = torch.randn(400_000)
        self.mean = torch.tensor(settings.input.mean)
        self.std = torch.tensor(settings.input.std)

    def step(
        self, pictures: Tensor, labels: dict[str, Tensor], progress: float
    ) -> dict[str, float]:
        """One step on pictures (n, s, s, 3) uint8; `labels`: target, group, label and thing."""
        for group, peak in zip(self.optimiser.param_groups, self.peaks, strict=True):
            group["lr"] = peak * rate_share(progress, self.settings.optimiser)
        x = recoloured(pictures, self.mean, self.std, self.noise)
        with torch.autocast("cpu", torch.bfloat16):
            features = self.network(x)
        features = features.float()
        count = len(labels["group"])
        total: Tensor
        parts: dict[str, float]
        total, parts = self.goals(
            features[:count],
            labels["target"],
            labels["group"],
            labels["label"],
            features[count:],
            labels["thing"],
        )
        self.optimiser.zero_grad(set_to_none=True)
        total.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        self.optimiser.step()
        unit = functional.normalize(features[count:].detach(), dim=1)
        self.goals.things.remember(unit, labels["thing"])
        self.steps += 1
        keep = min(self.settings.optimiser.average, (self.steps + 1) / (self.steps + 10))
        with torch.no_grad():
            for name, value in self.network.state_dict().items():
                if value.dtype.is_floating_point:
                    self.average[name].lerp_(value, 1 - keep)
                else:
                    self.average[name].copy_(value)
        return parts

    def save(self, file: Path) -> None:
        """Write a checkpoint, whole or not at all."""
        state: dict[str, Any] = {
            "network": self.network.state_dict(),
            "average": self.average,
            "goals": self.goals.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "steps": self.steps,
            "elapsed": self.elapsed,
        }
        torch.save(state, file.with_suffix(".tmp"))
        os.replace(file.with_suffix(".tmp"), file)

    def load(self, file: Path) -> None:
        """Go on from a checkpoint."""
        state = torch.load(file, weights_only=True)
        self.network.load_state_dict(state["network"])
        self.average = state["average"]
        self.goals.load_state_dict(state["goals"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.steps, self.elapsed = state["steps"], state["elapsed"]

    def start_from(self, file: Path) -> None:
        """Start from the averaged weights of another run, and its proxies where they fit."""
        state = torch.load(file, weights_only=True)
        self.network.load_state_dict(state["average"])
        self.average = {k: v.clone() for k, v in state["average"].items()}
        own = self.goals.state_dict()
        for name, value in state["goals"].items():
            if own[name].shape == value.shape:
                own[name].copy_(value)
            elif own[name].shape[1:] == value.shape[1:]:
                own[name][: len(value)].copy_(value)


def imprint(run: Run, files: Sequence[Path], size: int = 112) -> None:
    """Set each drawn thing's direction to the mean embedding of its first and last view."""
    network = run.network.eval()
    directions = run.goals.things.directions
    for part, file in enumerate(files):
        bank = np.load(file, mmap_mode="r")
        for start in range(0, len(bank), 64):
            ends = bank[start : start + 64][:, [0, -1]]
            squares = np.stack([resized(p, size, size) for pair in ends for p in pair])
            x = (torch.from_numpy(squares).float() - run.mean) / run.std
            with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
                out = network(x.permute(0, 3, 1, 2))
            unit = functional.normalize(out.float(), dim=1).view(-1, 2, out.shape[1])
            first = part * len(bank) + start
            directions[first : first + len(unit)] = functional.normalize(unit.mean(1), dim=1)
    network.train()


def train(options: argparse.Namespace) -> None:
    """Train until the time budget is spent."""
    torch.manual_seed(options.seed)
    torch.set_num_threads(1)
    settings = read(options.settings)
    photos = train_photos(chosen_materials(options.materials) / "data")
    target = torch.from_numpy(
        targets(Crops(options.cache).vectors, settings.loss.teacher_dimensions)
    )
    size = multiprocessing.Value("i", settings.input.size(0.0))
    # A run that goes on draws other batches than before: the seed moves with the steps done.
    file = options.cache / f"{options.name}.pt"
    done = int(torch.load(file, weights_only=True)["steps"]) if file.exists() else 0
    batches = Batches(options.cache, photos, settings.batch, size, options.seed + done)
    run = Run(settings, class_numbers(photos)[1], batches.things)
    if file.exists():
        run.load(file)
        log.info("going on after %d steps", run.steps)
    elif options.start is not None:
        run.start_from(options.start)
        imprint(run, batches.parts)
        log.info("started from %s", options.start.name)
    budget, saved, sums = options.minutes * 60, time.monotonic(), dict[str, float]()
    loader = DataLoader(batches, batch_size=None, num_workers=1, prefetch_factor=4)
    before = time.monotonic()
    waited = 0.0
    for batch in loader:
        waited += time.monotonic() - before
        progress = min(1.0, run.elapsed / budget)
        size.value = settings.input.size(progress)
        labels = {
            "target": target[batch.crop],
            "group": batch.group,
            "label": batch.label,
            "thing": batch.thing,
        }
        for name, value in run.step(batch.pictures, labels, progress).items():
            sums[name] = sums.get(name, 0.0) + value / LOG_EVERY
        now = time.monotonic()
        run.elapsed += now - before
        before = now
        if run.steps % LOG_EVERY == 0:
            shown = " ".join(f"{name} {value:.3f}" for name, value in sums.items())
            log.info(
                "%d steps, %.0f s, waited %.0f s, side %d: %s",
                run.steps,
                run.elapsed,
                waited,
                batch.pictures.shape[1],
                shown,
            )
            sums.clear()
        finished = run.elapsed >= budget
        if finished or now - saved > SAVE_EVERY:
            run.save(file)
            saved = time.monotonic()
        if finished:
            return


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    here = Path(__file__).parent
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--materials", type=Path, help="folder with data/ and models/")
    parser.add_argument(
        "--cache", type=Path, required=True, help="folder of prepared pictures and checkpoints"
    )
    parser.add_argument(
        "--minutes", type=float, required=True, help="time budget; the schedule fits itself to it"
    )
    parser.add_argument("--settings", type=Path, default=here / "settings.toml")
    parser.add_argument("--name", default="run", help="name of the checkpoint")
    parser.add_argument(
        "--start", type=Path, help="checkpoint of another run whose weights to start from"
    )
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    train(options)


if __name__ == "__main__":
    main()
