"""Train the network that finds things; a stopped run continues from its last checkpoint.

python -m training.finding.run --cache CACHE --minutes 55
"""

import argparse
import logging
import os
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from catalog.networks.network import EMBEDDED
from training.errors import plain_errors
from training.finding.bank import Bank, open_bank
from training.finding.network import Finder, finder
from training.finding.targets import loss
from training.finding.things import read_things
from training.finding.validate import composed, validate
from training.settings import SETTINGS, read
from training.shipped import read_network

log = logging.getLogger(__name__)

BATCH = 32
RATE, LOWER_RATE = 2e-3, 5e-4  # of the decoder, and of the embedded network's layers
WEIGHT_DECAY = 0.02
WARM_UP, FALL = 0.02, 0.35  # shares of the time budget: the rate rises until, falls from
AVERAGE = 0.998  # moving average of the weights
LOG_EVERY, SAVE_EVERY = 50, 240.0
PAUSE = 20.0  # seconds; a longer step was suspended meanwhile, and counts as no time
LEAST_FILLED = 1024  # pictures that must be there before the run begins


class Run:
    """One training run: network, its moving average, optimiser and clock."""

    def __init__(self) -> None:
        embedded = read_network(EMBEDDED, read(SETTINGS).network)
        self.network: Finder = finder(embedded).to(memory_format=torch.channels_last)
        self.average = {k: v.detach().clone() for k, v in self.network.state_dict().items()}
        lower = [
            parameter
            for part in (self.network.quarter, self.network.eighth, self.network.sixteenth)
            for parameter in part.parameters()
        ]
        known = {id(parameter) for parameter in lower}
        rest = [p for p in self.network.parameters() if id(p) not in known]
        groups = [{"params": lower, "peak": LOWER_RATE}, {"params": rest, "peak": RATE}]
        self.optimiser = torch.optim.AdamW(
            groups, RATE, betas=(0.9, 0.98), weight_decay=WEIGHT_DECAY
        )
        self.steps, self.elapsed = 0, 0.0

    def step(self, batch: dict[str, Tensor], progress: float) -> dict[str, float]:
        """One step on a batch of the bank, at a share 0..1 of the time budget."""
        rising, falling = (progress + 1e-3) / WARM_UP, (1.002 - progress) / (1 - FALL)
        for group in self.optimiser.param_groups:
            group["lr"] = group["peak"] * max(0.0, min(1.0, rising, falling))
        x = (batch["pixels"].permute(0, 3, 1, 2).float() - 128) / 64
        with torch.autocast("cpu", torch.bfloat16):
            answer = self.network(x.contiguous(memory_format=torch.channels_last)).float()
        parts = loss(
            answer,
            batch["share"].float() / 255,
            batch["middle"].float() / 255,
            batch["sides"].float(),
        )
        self.optimiser.zero_grad(set_to_none=True)
        torch.stack(list(parts.values())).sum().backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 2.0)
        self.optimiser.step()
        self.steps += 1
        keep = min(AVERAGE, (self.steps + 1) / (self.steps + 10))
        with torch.no_grad():
            for name, value in self.network.state_dict().items():
                if value.dtype.is_floating_point:
                    self.average[name].lerp_(value, 1 - keep)
                else:
                    self.average[name].copy_(value)
        return {name: float(value.detach()) for name, value in parts.items()}

    def save(self, file: Path) -> None:
        """Write a checkpoint, whole or not at all."""
        state = {
            "network": self.network.state_dict(),
            "average": self.average,
            "optimiser": self.optimiser.state_dict(),
            "steps": self.steps,
            "elapsed": self.elapsed,
        }
        torch.save(state, file.with_suffix(".tmp"))
        os.replace(file.with_suffix(".tmp"), file)

    def load(self, file: Path) -> None:
        """Continue from a checkpoint."""
        state = torch.load(file, weights_only=True)
        self.network.load_state_dict(state["network"])
        self.average = state["average"]
        self.optimiser.load_state_dict(state["optimiser"])
        self.steps, self.elapsed = state["steps"], state["elapsed"]

    def averaged(self) -> Finder:
        """The network with the averaged weights."""
        network = finder(read_network(EMBEDDED, read(SETTINGS).network))
        network.load_state_dict(self.average)
        return network


def drawn_batch(bank: Bank, rng: np.random.Generator) -> dict[str, Tensor]:
    """A batch of pictures that the bank holds, chosen at random."""
    filled = np.array(bank.filled)  # other processes change it meanwhile
    places = np.sort(rng.choice(np.flatnonzero(filled), BATCH))
    return {name: torch.from_numpy(array[places]) for name, array in bank.arrays.items()}


def train(cache: Path, minutes: float, name: str, seed: int) -> None:
    """Train until the time budget is spent."""
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    run, file, bank = Run(), cache / f"{name}.pt", open_bank(cache)
    if file.exists():
        run.load(file)
    rng = np.random.default_rng([seed, run.steps])
    pictures = composed(read_things(cache))
    log.info("%d weights", sum(p.numel() for p in run.network.parameters()))
    while int(bank.filled.sum()) < LEAST_FILLED:
        time.sleep(2.0)
    budget = minutes * 60
    before = saved = time.monotonic()
    sums: dict[str, float] = {}
    run.network.train()
    while run.elapsed < budget:
        for part, value in run.step(drawn_batch(bank, rng), run.elapsed / budget).items():
            sums[part] = sums.get(part, 0.0) + value / LOG_EVERY
        now = time.monotonic()
        run.elapsed += min(now - before, PAUSE)
        before = now
        if run.steps % LOG_EVERY == 0:
            shown = " ".join(f"{part} {value:.3f}" for part, value in sums.items())
            filled = int(bank.filled.sum())
            log.info("%d steps, %.0f s, bank %d: %s", run.steps, run.elapsed, filled, shown)
            sums.clear()
        if run.elapsed >= budget or now - saved > SAVE_EVERY:
            run.save(file)
            log.info("%d steps: %s", run.steps, validate(run.averaged(), pictures))
            before = saved = time.monotonic()


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cache", type=Path, required=True, help="folder of the bank")
    parser.add_argument(
        "--minutes", type=float, required=True, help="time budget; the schedule fits itself to it"
    )
    parser.add_argument("--name", default="finding", help="name of the checkpoint")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    train(options.cache, options.minutes, options.name, options.seed)


if __name__ == "__main__":
    with plain_errors():
        main()
