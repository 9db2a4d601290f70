"""Measure a finder on composed pictures that no training saw, of things that it trained on."""

import numpy as np
import torch

from catalog.networks.finder_answer import boxes_of, overlaps
from training.finding.compose import SIZE, Composed, Composer
from training.finding.network import Finder
from training.finding.things import Things

PICTURES, SEED = 200, 900_000_001
RIGHT = 0.7  # overlap from which a box is found
SURE = 0.4  # certainty of the boxes that count


def composed(things: Things) -> list[Composed]:
    """The pictures, always the same of the same things."""
    composer = Composer(things, np.random.default_rng(SEED))
    return [composer.picture() for _ in range(PICTURES)]


def validate(network: Finder, pictures: list[Composed]) -> dict[str, float]:
    """The share of things that are found, and of boxes that are of no thing.

    Args:
        network: The network; it is left ready to train.
        pictures: What it is measured on.
    """
    network.eval()
    things = found = boxes = 0
    for picture in pictures:
        pixels = torch.from_numpy(picture.pixels).permute(2, 0, 1)[None].float()
        with torch.no_grad():
            answer = network((pixels - 128) / 64)[0].numpy()
        proposed, certainty = boxes_of(answer)
        proposed = proposed[certainty >= SURE]
        boxes += len(proposed)
        for number in np.unique(picture.numbers[picture.numbers > 0]):
            rows, columns = np.nonzero(picture.numbers == number)
            edges = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
            box = np.array(edges, np.float32) / np.float32(SIZE)
            things += 1
            found += bool(len(proposed)) and float(overlaps(proposed, box).max()) >= RIGHT
    network.train()
    return {"found": found / things, "invented": max(0, boxes - found) / max(boxes, 1)}
