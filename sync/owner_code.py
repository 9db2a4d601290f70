"""The owner's code: the settings with which a device follows a store, as a text and a QR code.

It is a piece of a settings file, so that it may be copied into one as well::

    [sync]
    source = "s3://bucket/catalogues"
    root_sha256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

No secret is in it. Who shows another code to a fresh device lets it follow another owner, as who
gives it another root.json does.
"""

from __future__ import annotations

import re
from hashlib import sha256

import tomlkit
from pydantic import ValidationError
from tomlkit.exceptions import TOMLKitError

from catalog.core.errors import SettingsError
from catalog.core.terminal import one_line
from sync.errors import NotPublishedError
from sync.settings import SyncSettings
from sync.stores.choice import check_address
from sync.trust.release import manifest_path

NEEDED = ("source", "root_sha256")
KEYS = (*NEEDED, "channel", "endpoint_url", "region")
LONGEST = 1000  # characters


def owner_code(root: bytes, **settings: str) -> str:
    """The text of the code.

    Args:
        root: The owner's root.json.
        settings: ``source`` and others of `KEYS`; those that say what holds anyway are left out.

    Raises:
        SettingsError: A setting cannot be used.
    """
    text = _text(settings | {"root_sha256": sha256(root).hexdigest()})
    if len(text) > LONGEST:
        raise SettingsError(
            f"the address and the other settings are too long: a code may have {LONGEST} characters"
        )
    read_owner_code(text)
    return text


def read_owner_code(text: str) -> dict[str, str]:
    """The settings of ``[sync]`` that a code holds, by their keys.

    Example::

        >>> code = owner_code(b"{}", source="file:///srv/shop", channel="north")
        >>> read_owner_code(code)["channel"]
        'north'

    Raises:
        SettingsError: It is no such code, or one that cannot be used.
    """
    try:
        document = tomlkit.parse(text).unwrap() if len(text) <= LONGEST else {}
    except (TOMLKitError, ValueError):
        document = {}
    values = document.get("sync")
    if set(document) != {"sync"} or not isinstance(values, dict):
        raise SettingsError(
            "this is no code of a catalogue's owner, as 'visual-search sync keys code' makes it"
        )
    if unknown := sorted(set(values) - set(KEYS)):
        names = one_line(", ".join(unknown))
        raise SettingsError(f"the owner's code has {names}, which no code may set")
    if missing := [key for key in NEEDED if not values.get(key)]:
        raise SettingsError(f"the owner's code lacks {' and '.join(missing)}")
    try:
        settings = SyncSettings.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        raise SettingsError(f"the owner's code, {first['loc'][0]}: {first['msg']}") from error
    found = {key: str(getattr(settings, key)) for key in KEYS if key in values}
    if not all(value.isprintable() for value in found.values()):
        raise SettingsError("the owner's code has characters in it that cannot be shown")
    try:
        check_address(settings.source)
    except SettingsError as error:
        raise SettingsError(f"the owner's code, source: {error}") from error
    try:
        manifest_path(settings.channel)
    except NotPublishedError as error:
        raise SettingsError(f"the owner's code, channel: {error}") from error
    if not re.fullmatch("(https?://.+)?", settings.endpoint_url):
        raise SettingsError(
            f"the owner's code, endpoint_url: {settings.endpoint_url} is no http or https address"
        )
    return found


def _text(values: dict[str, str]) -> str:
    """Those of the values that differ from the defaults, as a piece of a settings file."""
    section = tomlkit.table()
    for key in KEYS:
        if values.get(key, "") not in ("", SyncSettings.model_fields[key].default):
            section[key] = values[key]
    return tomlkit.dumps({"sync": section})
