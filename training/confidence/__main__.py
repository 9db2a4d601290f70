"""Teach the confidence model that every catalogue starts from.

    python -m training.confidence

Searches some two hundred catalogues with looks at things, by each network alone and by both, and
writes ``catalog/recognition/prior.json``. It takes an hour on two cores the first time, minutes
after that: features of photos and the looks are kept in the folder of ``--cache``.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from catalog.building.cache import FeatureCache
from catalog.networks.models import open_model
from catalog.recognition import prior
from catalog.recognition.candidates import FEATURES
from catalog.recognition.descriptors import VERSION as DESCRIPTORS
from catalog.recognition.scored_queries import VERSION
from training.confidence import drawn, looks
from training.confidence.designs import Design, designs
from training.confidence.elsewhere import built, usual
from training.confidence.fit import fit
from training.confidence.searching import FAR_LOOKS, QUERIES, search
from training.errors import plain_errors
from training.photos import chosen_materials

CACHE = Path("bench-results/confidence")
NETWORKS = ("embedded", "efficientnet-lite0", "embedded+efficientnet-lite0")


def catalogues(
    materials: Path, cache: Path, networks: Sequence[str] = NETWORKS
) -> list[looks.Catalogue]:
    """Return the looks at all catalogues by the networks; those in the cache are read there."""
    cache.mkdir(parents=True, exist_ok=True)
    drawn.draw(cache / "drawn", materials)
    found = []
    for name in networks:
        wanted = designs(materials / "data", cache / "drawn")
        path = cache / f"looks-{name}-{_digest(wanted, name)}.npz"
        if not path.exists():
            made = []
            featurizer = open_model(name, cache=cache)
            with closing(FeatureCache(cache / "features")) as features:
                for done, catalogue in enumerate(search(wanted, name, featurizer, features), 1):
                    made.append(catalogue)
                    print(f"{name}: {done} of {len(wanted)} catalogues", flush=True)
            looks.write(made, path)
        found += looks.read(path)
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--materials", type=Path, help="folder with data/ and models/")
    parser.add_argument("--cache", type=Path, default=CACHE, help=f"default: {CACHE}")
    parser.add_argument("--without", metavar="SOURCE", help="leave out what comes of this source")
    parser.add_argument("--out", type=Path, default=prior.FILE, help="default: the shipped file")
    options = parser.parse_args(arguments)
    if options.without and options.out == prior.FILE:
        parser.error("--without needs --out: the shipped model is taught by every source")
    found = catalogues(chosen_materials(options.materials), options.cache)
    if options.without:
        if options.without not in {catalogue.source for catalogue in found}:
            parser.error(f"--without {options.without}: no such source")
        found = [catalogue for catalogue in found if catalogue.source != options.without]
    write(found, options.out)
    print(f"{options.out}: taught by {len(found)} catalogues")


def write(catalogues: Sequence[looks.Catalogue], path: Path) -> None:
    """Write what catalogues teach: the model, and what is usual where a source did not teach."""
    known = built(catalogues)
    prior.write(fit(catalogues), usual(known, single=True), usual(known, single=False), path)


def _digest(wanted: Sequence[Design], network: str) -> str:
    """Return what changes with the designs and with how features are measured."""
    versions = (looks.VERSION, VERSION, DESCRIPTORS, FEATURES, QUERIES, FAR_LOOKS, network)
    return hashlib.sha256(repr((versions, wanted)).encode()).hexdigest()[:12]


if __name__ == "__main__":
    with plain_errors():
        main()
