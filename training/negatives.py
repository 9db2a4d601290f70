"""Embed the foreign photos that calibration uses with the embedded network.

    python -m training.negatives

Writes ``catalog/networks/embedded/negatives.npz``; make it again
with all new weights. It has three photos of each kind of thing in the Caltech pool. The network
was trained on these photos, without labels.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from bench.materials import materials
from catalog.building import distractors
from catalog.core.photos import decode
from catalog.networks.featurizer import Featurizer
from catalog.recognition.colours import colours

OF_EACH_KIND = 3


def main() -> None:
    """Embed the photos and write the file."""
    root = materials()
    if root is None:
        sys.exit("error: the photos are not here; name their folder in VISUAL_SEARCH_MATERIALS")
    places = [place for kind in _kinds(root) for place in kind]
    featurizer = Featurizer.open()
    photos = [decode(place.read_bytes(), place.name) for place in places]
    raw = np.concatenate([featurizer.raw([photo]) for photo in photos])
    coloured = np.stack([colours(photo) for photo in photos])
    distractors.write_photos(raw, coloured, featurizer.network_id)
    print(f"{distractors.PHOTOS}: {len(raw)} photos")


def _kinds(root: Path) -> list[list[Path]]:
    """Some photos of each kind, evenly spread."""
    folders = sorted((root / "data" / "pool" / "caltech").iterdir())
    photos = [sorted(folder.iterdir()) for folder in folders if folder.is_dir()]
    return [every[:: max(1, len(every) // OF_EACH_KIND)][:OF_EACH_KIND] for every in photos]


if __name__ == "__main__":
    main()
