"""Train the network; a stopped run continues from its last checkpoint.

python -m training.run --cache ~/.cache/visual-search-training --cutouts emoji/package/assets \\
    --minutes 100
"""

import argparse
import logging
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
from training.cutouts import cutout_files
from training.errors import plain_errors
from training.loading import Batch, Batches
from training.loss import Goals
from training.muon import Muon
from training.network import Network
from training.photos import chosen_materials, class_numbers, train_photos
from training.settings import SETTINGS, Settings, read
from training.shards import check_made_of, made_of

log = logging.getLogger(__name__)

SAVE_EVERY = 180.0
LOG_EVERY = 25
PAUSE = 20.0  # seconds; a longer step was suspended meanwhile, and counts as no time


class Run:
    """One training run: network, its moving average, goals, optimisers and clock."""

    def __init__(self, settings: Settings, classes: Sequence[int], things: int) -> None:
        n, o = settings.network, settings.optimiser
        self.settings = settings
        self.network = Network(n.stem, n.widths, n.blocks, n.last, n.dimensions)
        self.network = self.network.to(memory_format=torch.channels_last)
        self.average = {k: v.detach().clone() for k, v in self.network.state_dict().items()}
        self.goals = Goals(n.dimensions, classes, things, settings.loss)
        matrices = [p for p in self.network.parameters() if p.ndim > 1]
        vectors = [p for p in self.network.parameters() if p.ndim <= 1]
        others = vectors + list(self.goals.parameters())
        self.optimisers: list[torch.optim.Optimizer] = [
            Muon(matrices, o.rate, o.weight_decay),
            torch.optim.AdamW(others, o.vector_rate, (0.9, 0.98), weight_decay=0.0),
        ]
        self.peaks = [o.rate, o.vector_rate]
        self.steps = 0
        self.elapsed = 0.0
        self.noise = torch.randn(400_000)
        self.mean = torch.tensor(settings.input.mean)
        self.std = torch.tensor(settings.input.std)

    def step(self, batch: Batch, label: Tensor, progress: float) -> dict[str, float]:
        """One step; label (b, 2) int64: set and class of the bank's pictures, -1 for none."""
        for optimiser, peak in zip(self.optimisers, self.peaks, strict=True):
            for group in optimiser.param_groups:
                group["lr"] = peak * self.settings.optimiser.rate_share(progress)
        x = recoloured(batch.pictures, self.mean, self.std, self.noise)
        with torch.autocast("cpu", torch.bfloat16):
            embeddings = self.network(x).float()
        total, parts = self.goals(embeddings, batch.answers, label[:, 0], label[:, 1], batch.thing)
        for optimiser in self.optimisers:
            optimiser.zero_grad(set_to_none=True)
        total.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        for optimiser in self.optimisers:
            optimiser.step()
        alike = embeddings.detach()[len(embeddings) - len(batch.thing) :]
        self.goals.things.remember(functional.normalize(alike, dim=1), batch.thing)
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
            "optimisers": [o.state_dict() for o in self.optimisers],
            "steps": self.steps,
            "elapsed": self.elapsed,
        }
        torch.save(state, file.with_suffix(".tmp"))
        os.replace(file.with_suffix(".tmp"), file)

    def load(self, file: Path) -> None:
        """Continue from a checkpoint, with the optimisers' settings of today."""
        state = torch.load(file, weights_only=True)
        self.network.load_state_dict(state["network"])
        self.average = state["average"]
        self.goals.load_state_dict(state["goals"])
        for optimiser, stored in zip(self.optimisers, state["optimisers"], strict=True):
            own = [
                {name: value for name, value in group.items() if name != "params"}
                for group in optimiser.param_groups
            ]
            optimiser.load_state_dict(stored)
            for group, today in zip(optimiser.param_groups, own, strict=True):
                group.update(today)
        self.steps, self.elapsed = state["steps"], state["elapsed"]


def train(options: argparse.Namespace) -> None:
    """Train until the time budget is spent."""
    torch.manual_seed(options.seed)
    torch.set_num_threads(options.threads)
    settings = read(options.settings)
    photos = train_photos(chosen_materials(options.materials) / "data", settings.bank.held_back)
    cutouts = cutout_files(options.cutouts)
    check_made_of(options.cache, made_of(photos, cutouts, settings.bank))
    numbers, classes = class_numbers(photos)
    none = np.array([[-1, -1]])
    known = np.stack([np.array([p.set_number for p in photos]), numbers], 1)
    labels = torch.from_numpy(np.concatenate([known, none]))  # row -1: no label
    size = multiprocessing.Value("i", settings.input.size(0.0))
    batches = Batches(options.cache, settings.batch, size, options.seed)
    run = Run(settings, classes, batches.drawn + len(cutouts))
    file = options.cache / f"{options.name}.pt"
    if file.exists():
        run.load(file)
        batches.seed += run.steps  # else the same batches would come again, changed alike
        torch.manual_seed(options.seed + run.steps)
    log.info(
        "%d weights, %d photos, %d drawn products",
        sum(p.numel() for p in run.network.parameters()),
        len(photos),
        batches.drawn,
    )
    budget = options.minutes * 60
    size.value = settings.input.size(run.elapsed / budget)
    loader = DataLoader(batches, batch_size=None, num_workers=1, prefetch_factor=4)
    before = saved = time.monotonic()
    sums: dict[str, float] = {}
    waited = 0.0
    run.network.train()
    for batch in loader:
        waited += time.monotonic() - before
        progress = min(1.0, run.elapsed / budget)
        size.value = settings.input.size(progress)
        for name, value in run.step(batch, labels[batch.source], progress).items():
            sums[name] = sums.get(name, 0.0) + value / LOG_EVERY
        now = time.monotonic()
        run.elapsed += min(now - before, PAUSE)
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
    parser.add_argument("--settings", type=Path, default=SETTINGS)
    parser.add_argument("--name", default="run", help="name of the checkpoint")
    parser.add_argument("--cutouts", type=Path, required=True, help="pictures with transparency")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    train(options)


if __name__ == "__main__":
    with plain_errors():
        main()
