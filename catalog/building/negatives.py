"""Photos of things of many kinds that hardly a catalogue holds, as the embedded network sees them.

Their vectors and colours alone are shipped, for the weights that they were made with; ``python
-m training.negatives`` makes them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from catalog.core.vectors import Vectors
from catalog.networks.featurizer import EMBEDDED, Featurizer
from catalog.recognition.calibration import CalibrationQuery
from catalog.recognition.descriptors import Descriptors

PATH = EMBEDDED / "negatives.npz"


def photo_looks(featurizer: Featurizer) -> list[CalibrationQuery]:
    """Looks at these photos, their print unread; none for another network."""
    with np.load(PATH, allow_pickle=False) as data:
        if str(data["network_id"]) != featurizer.network_id:
            return []
        raw, colours = data["raw"].astype(np.float32), data["colours"]
    vectors = featurizer.vectors(raw)
    return [
        CalibrationQuery(one, Descriptors(of)) for one, of in zip(vectors, colours, strict=True)
    ]


def write(raw: Vectors, colours: NDArray[np.uint8], network_id: str) -> None:
    """Keep the network's own outputs (n, d) for photos, and their colours (n, 256); 0.6 kB each."""
    np.savez_compressed(
        PATH, raw=raw.astype(np.float16), colours=colours, network_id=np.array(network_id)
    )
