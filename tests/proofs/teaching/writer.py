"""Teach without end, and say what was saved: python -m tests.proofs.teaching.writer FOLDER SEED"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from catalog.bundles.items import Item
from catalog.core.photos import encode_jpeg
from catalog.recognition.descriptors import extract_descriptors
from edge.taught.store import Features, NewPhoto, TaughtStore
from tests.support.drawing import draw_thing

NETWORK, VIEWS, KEPT = "0123456789abcdef", 3, 40


def photo(seed: int, view: int) -> NewPhoto:
    """A photo with all that is kept of it."""
    picture = draw_thing(seed, view, 120)
    raw = np.random.default_rng([seed, view]).standard_normal(256).astype(np.float32)
    jpeg = encode_jpeg(picture, 640)
    return NewPhoto(jpeg, 120, 120, Features(raw, extract_descriptors(picture, 300)))


def changed(sku: str) -> str:
    """The number that an item gets when it is changed."""
    return f"{sku}-changed"


def main() -> None:
    """Save items, change them and remove old ones, until the process is killed."""
    folder, seed = Path(sys.argv[1]), int(sys.argv[2])
    store = TaughtStore(folder)
    photos = [photo(seed, view) for view in range(VIEWS)]
    print("ready", flush=True)
    number = 0
    while True:
        sku = f"{seed}-{number}"
        store.save(sku, Item(sku, f"Thing {sku}"), photos, NETWORK)
        print(f"saved {sku}", flush=True)
        print(f"changing {sku}", flush=True)
        after = changed(sku)
        store.change_item(sku, Item(after, f"Thing {after}"))
        print(f"saved {after}", flush=True)
        items = store.items()
        if len(items) > KEPT:
            oldest = items[-1].sku
            print(f"removing {oldest}", flush=True)
            store.remove_item(oldest)
        number += 1


if __name__ == "__main__":
    main()
