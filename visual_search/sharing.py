"""Lets `catalog build` fetch what devices share, which only `sync` knows how to do."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

FETCH_SHARED = "visual_search.fetch_shared"  # its name in the command's context; see catalog.cli


def fetch_shared(
    address: str, cache: Path, config: Path | None, tell: Callable[[str], object]
) -> list[Path]:
    """Fetch what devices share in a store; a folder for each device.

    Args:
        address: The store, ``s3://bucket/prefix`` or ``file:///folder``.
        cache: Where the files are kept for the next build.
        config: The settings file, for `[sync] endpoint_url` and `region`.
        tell: Hears a sentence of each device that is new.

    Raises:
        VisualSearchError: The store cannot be read, or something in it is forged.
    """
    from catalog.core.settings import load
    from sync.settings import SyncSettings
    from sync.sharing.fetch import fetch_shared as fetch
    from sync.stores.choice import open_store

    settings = load("sync", SyncSettings, config)
    store = open_store(address, endpoint_url=settings.endpoint_url, region=settings.region)
    own = hashlib.sha256(address.encode()).hexdigest()[:16]
    return fetch(store, cache / own, tell)
