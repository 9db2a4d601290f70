"""Photos of things of many kinds that hardly a catalogue holds, as the embedded network sees them.

Their vectors alone are shipped, for the weights that they were made with; ``python -m
training.negatives`` makes them.
"""

from __future__ import annotations

import numpy as np

from catalog.calibration import Shown
from catalog.featurizer import EMBEDDED, Featurizer
from catalog.index import Vectors

PATH = EMBEDDED / "negatives.npz"


def photo_looks(featurizer: Featurizer) -> list[Shown]:
    """Looks at these photos, their print unread; none for another network."""
    with np.load(PATH, allow_pickle=False) as data:
        if str(data["network_id"]) != featurizer.network_id:
            return []
        raw = data["raw"].astype(np.float32)
    return [Shown(vector, None) for vector in featurizer.vectors(raw)]


def write(raw: Vectors, network_id: str) -> None:
    """Keep the network's own outputs (n, d) for photos; 0.5 kB each."""
    np.savez_compressed(PATH, raw=raw.astype(np.float16), network_id=np.array(network_id))
