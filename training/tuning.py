"""Train a network further with one shop's photos; the training part of `training.finetune`."""

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

from catalog.networks.network import Descriptor
from training.augment import augmented, recoloured
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
        """Take labelled photos and number their items."""
        _, item = np.unique([photo.sku for photo in photos], return_inverse=True)
        return cls([photo.picture for photo in photos], item.astype(np.int64))

    def batch(self, items: int, size: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Draw two views of each of some items.

        Returns:
            The views (n, size, size, 3) uint8, and the items' numbers (n,) int64.
        """
        known = np.unique(self.item)
        chosen = np.repeat(rng.choice(known, min(items, len(known)), replace=False), 2)
        pictures = []
        for number in chosen:
            photo = self.photos[rng.choice(np.flatnonzero(self.item == number))]
            square = resized(random_crop(photo, rng, 0.5), size * 9 // 8, size * 9 // 8)
            pictures.append(augmented(square, size, rng, photo=True))
        return torch.from_numpy(np.stack(pictures)), torch.from_numpy(chosen)


def tune(
    network: Network,
    shop: Shop,
    descriptor: Descriptor,
    settings: FinetuneSettings,
    minutes: float,
    seed: int,
    progress: Callable[[int, int], None],
) -> int:
    """Train a network in place until the time is up, at least one step.

    Views of one item are pulled together and away from those of others. A second loss keeps the
    vectors near those of the network before training, so that it does not forget other things.

    Args:
        network: Batch norms folded, as `training.shipped` reads it.
        shop: The photos to learn from.
        descriptor: How pictures are prepared for the network.
        settings: Items in a batch, rate, weights.
        minutes: Time budget.
        seed: Chooses all that is random.
        progress: Called with the seconds that have passed, and those of the whole budget.

    Returns:
        The number of steps.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    before = copy.deepcopy(network).eval()
    optimiser = torch.optim.AdamW(network.parameters(), settings.rate, weight_decay=0.0)
    mean, std = torch.tensor(descriptor.mean), torch.tensor(descriptor.std)
    noise = torch.randn(3 * descriptor.size * descriptor.size + 100_000)
    started, steps, elapsed, budget = time.monotonic(), 0, 0.0, minutes * 60
    while elapsed < budget:
        for group in optimiser.param_groups:
            group["lr"] = settings.rate * 0.5 * (1 + math.cos(math.pi * elapsed / budget))
        pictures, items = shop.batch(settings.items, descriptor.size, rng)
        unit = functional.normalize(network(recoloured(pictures, mean, std, noise)), dim=1)
        with torch.no_grad():
            plain = ((pictures.float() - mean) / std).permute(0, 3, 1, 2)
            anchors = functional.normalize(before(plain), dim=1)
        loss = (
            pairs(unit, items, settings.temperature)
            + settings.keep * (1 - (unit * anchors).sum(1)).mean()
        )
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        steps += 1
        elapsed = time.monotonic() - started
        progress(min(round(elapsed), round(budget)), round(budget))
    return steps
