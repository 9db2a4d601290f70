"""Remember which bundles have passed the validator on this device, so that none is validated twice.

``passed.json`` in the state folder names each with the version and engine that validated it. A
bundle's id comes from its digests: a changed bundle has another id.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path

from catalog.bundles.deployment_state import validated_by
from catalog.core import durable

FILE = "passed.json"
MOST = 20  # the newest stay

log = logging.getLogger(__name__)


def has_passed(folder: Path, bundle: str, engine: str) -> bool:
    """Whether this version and `engine` have validated `bundle` before."""
    return _read(folder).get(bundle) == validated_by(engine)


def remember_passed(folder: Path, bundle: str, engine: str) -> None:
    """Remember that `bundle` has passed; where that cannot be written, it is validated again."""
    passed = {name: by for name, by in _read(folder).items() if name != bundle}
    newest = dict([*passed.items(), (bundle, validated_by(engine))][-MOST:])
    try:
        durable.make_private_folder(folder)
        durable.write(folder / FILE, json.dumps(newest, indent=1).encode() + b"\n", durable.PRIVATE)
    except OSError as error:
        log.warning("%s: cannot be written: %s", folder, error.strerror)


def _read(folder: Path) -> dict[str, str]:
    try:
        found = json.loads((folder / FILE).read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
