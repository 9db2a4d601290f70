"""The training part of `training.finetune`: a network goes on with one shop's photos."""

import copy
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from catalog.networks.featurizer import Descriptor
from training.augment import recoloured, seen_through
from training.data import Image, random_crop, resized
from training.loss import pairs
from training.network import Network
from training.settings import FinetuneSettings
from training.shop import Labelled


@dataclass(frozen=True)
class Shop:
    """Photos (h, w, 3) uint8 RGB with the number of each one's item, (n,) int64."""

    photos: list[Image]
    item: npt.NDArray[np.int64]

    @classmethod
    def of(cls, photos: Sequence[Labelled]) -> "Shop":
        """The photos, their items numbered."""
        _, item = np.unique([photo.sku for photo in photos], return_inverse=True)
        return cls([photo.picture for photo in photos], item.astype(np.int64))

    def batch(self, items: int, size: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Two views each of so many items: (n, size, size, 3) uint8 and items (n,) int64."""
        known = np.unique(self.item)
        chosen = np.repeat(rng.choice(known, min(items, len(known)), replace=False), 2)
        pictures = []
        for number in chosen:
            photo = self.photos[rng.choice(np.flatnonzero(self.item == number))]
            square = resized(random_crop(photo, rng, 0.5), size * 9 // 8, size * 9 // 8)
            pictures.append(seen_through(square, size, rng, photo=True))
        return torch.from_numpy(np.stack(pictures)), torch.from_numpy(chosen)


def tune(
    network: Network,
    shop: Shop,
    fed: Descriptor,
    how: FinetuneSettings,
    minutes: float,
    seed: int,
    progress: Callable[[int, int], None],
) -> int:
    """Train in place until the time is up, at least one step; returns the number of steps.

    Views of one item are drawn together and apart from others'; what the network said before
    holds it back from forgetting the rest of the world.

    Args:
        network: Batch norms folded, as `training.shipped` reads it.
        shop: What to learn from.
        fed: How the network is fed.
        how: Items in a batch, rate, weights.
        minutes: Time budget.
        seed: Of all that is random.
        progress: Is told how many of how many seconds are gone.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    before = copy.deepcopy(network).eval()
    optimiser = torch.optim.AdamW(network.parameters(), how.rate, weight_decay=0.0)
    mean, std = torch.tensor(fed.mean), torch.tensor(fed.std)
    noise = torch.randn(3 * fed.size * fed.size + 100_000)
    started, steps, gone, budget = time.monotonic(), 0, 0.0, minutes * 60
    while gone < budget:
        for group in optimiser.param_groups:
            group["lr"] = how.rate * 0.5 * (1 + math.cos(math.pi * gone / budget))
        pictures, items = shop.batch(how.items, fed.size, rng)
        unit = functional.normalize(network(recoloured(pictures, mean, std, noise)), dim=1)
        with torch.no_grad():
            plain = ((pictures.float() - mean) / std).permute(0, 3, 1, 2)
            said = functional.normalize(before(plain), dim=1)
        loss = pairs(unit, items, how.temperature) + how.keep * (1 - (unit * said).sum(1)).mean()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        steps += 1
        gone = time.monotonic() - started
        progress(min(round(gone), round(budget)), round(budget))
    return steps
