"""Turn pictures into vectors, by one network or by two that look at the same picture.

The vector of two networks is both their vectors side by side, each of length 1 and multiplied by
the square root of the network's weight. So the cosine similarity of two pictures is the weighted
mean of the similarities that the networks see.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Sequence
from math import sqrt
from pathlib import Path
from typing import Self

import numpy as np

from catalog.core.errors import FeaturizerError
from catalog.core.photos import Picture
from catalog.core.vectors import Tensor, normalised
from catalog.networks import projection
from catalog.networks.network import (
    DESCRIPTOR,
    EMBEDDED,
    Network,
    read_descriptor,
)
from catalog.networks.pair import FOLDERS, Weights, read_pair, write_pair

EVEN: Weights = (0.5, 0.5)


class Featurizer:
    """One or two networks, and the projection that shortens their vectors.

    Attributes:
        networks: The networks.
        weights: How much each counts; they add up to 1.
        network_id: Id of the network; of two, 16 hex digits of the digest of their ids and weights.
        id: `network_id`, or a digest of it and of the projection. Only vectors of the same id can
            be compared.
        projection: The projection, or None.
        dimensions: Length d of a vector.
        network_dimensions: Length k of a vector before the projection.
    """

    def __init__(self, *networks: Network, weights: Weights = EVEN) -> None:
        if len(networks) not in (1, 2):
            raise FeaturizerError(f"{len(networks)} networks are given; wanted are one or two")
        if len({network.id for network in networks}) < len(networks):
            raise FeaturizerError(f"the network {networks[0].descriptor.name} is given twice")
        self.networks = networks
        self.weights: tuple[float, ...] = weights if len(networks) == 2 else (1.0,)
        self.projection: projection.Projection | None = None

    @classmethod
    def open(cls, folder: Path = EMBEDDED, engine: str = "auto") -> Self:
        """Open a featurizer folder: ``descriptor.json``, a network or the folders of two.

        Raises:
            FeaturizerError: Something in the folder is missing or wrong.
            MissingExtraError: No engine is installed.
        """
        pair = read_pair(folder)
        if pair is None:
            featurizer = cls(Network(folder, read_descriptor(folder), engine))
        else:
            if engine == "awscam":
                raise FeaturizerError(
                    f"{folder}: holds two networks, and a DeepLens runs one; build the catalogue "
                    "with one --model"
                )
            places = [folder / name for name in FOLDERS]
            networks = [Network(place, read_descriptor(place), engine) for place in places]
            if pair.ids != tuple(network.id for network in networks):
                raise FeaturizerError(f"{folder}: its networks are not those that it names")
            featurizer = cls(*networks, weights=pair.weights)
        featurizer.projection = projection.read(folder, featurizer.network_id)
        return featurizer

    @property
    def name(self) -> str:
        """Return the names of its networks."""
        return " + ".join(network.descriptor.name for network in self.networks)

    @property
    def shares(self) -> tuple[tuple[str, float], ...]:
        """Return the name and the weight of each network."""
        names = [network.descriptor.name for network in self.networks]
        return tuple(zip(names, self.weights, strict=True))

    @property
    def size(self) -> int:
        """Return the side in pixels of the largest input."""
        return max(network.descriptor.size for network in self.networks)

    @property
    def enough(self) -> int:
        """Return the shorter side in pixels that suffices of a photo."""
        return max(network.descriptor.enough for network in self.networks)

    @property
    def megabytes(self) -> float:
        """Return the size of the networks' files."""
        return sum(network.path.stat().st_size for network in self.networks) / 1e6

    @property
    def files(self) -> tuple[Path, ...]:
        """Return the files of the networks and their descriptors."""
        return tuple(
            file
            for network in self.networks
            for file in (*network.files, network.path.with_name(DESCRIPTOR))
        )

    @property
    def engine(self) -> str:
        """Return the name of the engine that runs the networks."""
        return " + ".join(dict.fromkeys(network.engine for network in self.networks))

    @property
    def network_id(self) -> str:
        """Return the id of its networks; see the class."""
        if len(self.networks) == 1:
            return self.networks[0].id
        ids = [network.id for network in self.networks]
        pairs = json.dumps([*zip(ids, self.weights, strict=True)])
        return hashlib.sha256(pairs.encode()).hexdigest()[:16]

    @property
    def id(self) -> str:
        """Return the id of its vectors; see the class."""
        if self.projection is None:
            return self.network_id
        both = f"{self.network_id}-{self.projection.digest}"
        return hashlib.sha256(both.encode()).hexdigest()[:16]

    @property
    def dimensions(self) -> int:
        """Return the length of a vector."""
        return self.projection.dimensions if self.projection else self.network_dimensions

    @property
    def network_dimensions(self) -> int:
        """Return the length of a vector before the projection."""
        return sum(network.dimensions for network in self.networks)

    def projected(self, by: projection.Projection) -> Featurizer:
        """Return a copy of the featurizer whose vectors are shortened."""
        featurizer = copy.copy(self)
        featurizer.projection = by
        return featurizer

    def reweigh(self, raw: Tensor, weights: Weights) -> Featurizer:
        """Return the featurizer of the same two networks with other weights and no projection.

        Args:
            raw: Raw vectors of this featurizer, float32 (n, k), whose weights are above 0; they
                become those of the other one.
            weights: The other weights.
        """
        begin = 0
        for network, old, new in zip(self.networks, self.weights, weights, strict=True):
            raw[:, begin : begin + network.dimensions] *= np.float32(sqrt(new / old))
            begin += network.dimensions
        return type(self)(*self.networks, weights=weights)

    def raw(self, images: Sequence[Picture]) -> Tensor:
        """Return the networks' own vectors, joined, for BGR uint8 pictures; float32 (n, k)."""
        return self.join([network.raw(images) for network in self.networks])

    def join(self, outputs: Sequence[Tensor]) -> Tensor:
        """Join the outputs of the networks, float32 (n, d) each, to raw vectors, float32 (n, k).

        The output of a single network stays as it is; the joined vector of two has length 1.

        Raises:
            FeaturizerError: One of two networks gave a vector of zeros.
        """
        if len(outputs) == 1:
            return outputs[0]
        pairs = zip(outputs, self.weights, strict=True)
        return np.hstack([normalised(own) * np.float32(sqrt(weight)) for own, weight in pairs])

    def embed(self, images: Sequence[Picture]) -> Tensor:
        """Return the embeddings of BGR uint8 pictures: float32 (n, d), each of length 1."""
        return self.vectors(self.raw(images))

    def vectors(self, raw: Tensor) -> Tensor:
        """Turn raw vectors, float32 (n, k), into embeddings, float32 (n, d)."""
        vectors = normalised(raw)
        return vectors if self.projection is None else normalised(self.projection.apply(vectors))

    def write(self, folder: Path) -> None:
        """Write the featurizer folder, which must not exist."""
        folder.mkdir()
        places = [folder]
        if len(self.networks) == 2:
            places = [folder / name for name in FOLDERS]
            write_pair(folder, [network.id for network in self.networks], self.weights)
        for network, place in zip(self.networks, places, strict=True):
            place.mkdir(exist_ok=True)
            network.write(place)
        if self.projection is not None:
            self.projection.write(folder)
