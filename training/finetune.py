"""Go on from the shipped weights with one shop's own photos; writes a featurizer folder.

    python -m training.finetune PHOTOS --out FEATURIZER [--minutes 10]

PHOTOS has a folder for each item, or is any other source that `visual-search catalog build` takes.
Keep a fifth of the photos in a folder of their own; on those this tells whether it helped:

    visual-search catalog compare PHOTOS --queries KEPT --model embedded --model FEATURIZER
"""

import argparse
import copy
import json
import logging
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from catalog.errors import ContentError, VisualSearchError
from catalog.featurizer import DESCRIPTOR, EMBEDDED
from catalog.photos import is_address
from catalog.sources import read_source
from training.augment import recoloured, seen_through
from training.data import Image, random_crop, read_rgb, resized
from training.export import Fitting, write
from training.loss import pairs
from training.network import Network
from training.settings import FinetuneSettings, Settings, read
from training.shipped import read_network

log = logging.getLogger(__name__)

LONGEST = 320  # pixels; larger photos are kept at this


@dataclass(frozen=True)
class Shop:
    """Photos (h, w, 3) uint8 with the number of each one's item, (n,) int64."""

    photos: list[Image]
    item: npt.NDArray[np.int64]

    @classmethod
    def read(cls, source: Path) -> "Shop":
        """Read an owner's labelled photos; addresses are left out.

        Raises:
            ContentError: There are fewer than two items with photos.
        """
        photos: list[Image] = []
        item: list[int] = []
        for number, entry in enumerate(read_source(source)):
            for place in entry.photos:
                if is_address(place):
                    continue
                photo = read_rgb(Path(place))
                scale = min(1.0, LONGEST / max(photo.shape[:2]))
                width, height = (max(1, round(s * scale)) for s in photo.shape[1::-1])
                photos.append(resized(photo, width, height))
                item.append(number)
        if len(set(item)) < 2:
            raise ContentError(f"{source}: wanted are photos of at least two items")
        return cls(photos, np.array(item, np.int64))

    def batch(self, items: int, size: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Two views each of so many items: (n, size, size, 3) uint8 and items (n,) int64."""
        known = np.unique(self.item)
        chosen = np.repeat(rng.choice(known, min(items, len(known)), replace=False), 2)
        pictures = []
        for number in chosen:
            photo = self.photos[rng.choice(np.flatnonzero(self.item == number))]
            square = resized(random_crop(photo, rng, 0.5), size * 9 // 8, size * 9 // 8)
            pictures.append(seen_through(square, size, rng, True))
        return torch.from_numpy(np.stack(pictures)), torch.from_numpy(chosen)


def tune(
    network: Network, shop: Shop, size: int, settings: Settings, minutes: float, seed: int
) -> None:
    """Train in place until the time is up, and take at least one step.

    Views of one item are drawn together and apart from others'; what the network said before
    holds it back from forgetting the rest of the world.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    before = copy.deepcopy(network).eval()
    how: FinetuneSettings = settings.finetune
    optimiser = torch.optim.AdamW(network.parameters(), how.rate, weight_decay=0.0)
    mean, std = torch.tensor(settings.input.mean), torch.tensor(settings.input.std)
    noise = torch.randn(3 * size * size + 100_000)
    started, steps, progress = time.monotonic(), 0, 0.0
    while progress < 1:
        for group in optimiser.param_groups:
            group["lr"] = how.rate * 0.5 * (1 + math.cos(math.pi * progress))
        pictures, items = shop.batch(how.items, size, rng)
        found = network(recoloured(pictures, mean, std, noise))
        unit = functional.normalize(found, dim=1)
        with torch.no_grad():
            plain = ((pictures.float() - mean) / std).permute(0, 3, 1, 2)
            said = functional.normalize(before(plain), dim=1)
        loss = pairs(unit, items, how.temperature) + how.keep * (1 - (unit * said).sum(1)).mean()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        steps += 1
        progress = (time.monotonic() - started) / (minutes * 60)
        if steps % 50 == 0:
            log.info("%d steps, %.0f %%: %.3f", steps, 100 * progress, float(loss.detach()))


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("photos", type=Path)
    parser.add_argument("--out", type=Path, required=True, help="the featurizer folder to write")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--start", type=Path, default=EMBEDDED, help="go on from another folder")
    parser.add_argument("--settings", type=Path, default=Path(__file__).parent / "settings.toml")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    cv2.setNumThreads(1)
    torch.set_num_threads(options.threads)
    settings = read(options.settings)
    described = json.loads((options.start / DESCRIPTOR).read_text(encoding="utf-8"))
    how = Fitting(described["size"], described["resize"], described["short_side"])
    try:
        shop = Shop.read(options.photos)
        network = read_network(options.start, settings.network)
        tune(network, shop, how.size, settings, options.minutes, options.seed)
    except VisualSearchError as error:
        parser.exit(1, f"error: {error}\n")
    write(network.eval(), settings, options.out, how, options.out.resolve().name)


if __name__ == "__main__":
    main()
