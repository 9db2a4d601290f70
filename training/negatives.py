"""Embed the foreign photos that calibration uses with the networks whose vectors are shipped.

    python -m training.negatives

Writes ``negatives.npz`` into ``catalog/networks/embedded`` and ``catalog/networks/pretrained``;
make them again with all new weights. They hold three photos of each kind of thing in the Caltech
pool. The embedded network was trained on these photos, without labels.
"""

from __future__ import annotations

import sys
from pathlib import Path

from bench.materials import materials
from catalog.building import distractors
from catalog.core.photos import decode
from catalog.core.settings import CatalogSettings

OF_EACH_KIND = 3


def main() -> None:
    """Embed the photos and write the file."""
    root = materials()
    if root is None:
        sys.exit("error: the photos are not here; name their folder in VISUAL_SEARCH_MATERIALS")
    places = [place for kind in _kinds(root) for place in kind]
    photos = [decode(place.read_bytes(), place.name) for place in places]
    distractors.write_photos(photos, distractors.shipped_networks(CatalogSettings().cache))
    print(f"{distractors.PHOTOS}: {len(photos)} photos")


def _kinds(root: Path) -> list[list[Path]]:
    """Some photos of each kind, evenly spread."""
    folders = sorted((root / "data" / "pool" / "caltech").iterdir())
    photos = [sorted(folder.iterdir()) for folder in folders if folder.is_dir()]
    return [every[:: max(1, len(every) // OF_EACH_KIND)][:OF_EACH_KIND] for every in photos]


if __name__ == "__main__":
    main()
