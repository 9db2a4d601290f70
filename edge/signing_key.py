"""The key that webhooks are signed with."""

from __future__ import annotations

import base64
import binascii

SECRET_PREFIX = "whsec_"  # noqa: S105 - what comes after it is base64


def signing_key(secret: str) -> bytes:
    """The key in a secret: "whsec_" and base64, or a text that is the key itself.

    Raises:
        ValueError: What comes after "whsec_" is no base64.
    """
    encoded = secret.removeprefix(SECRET_PREFIX)
    if encoded == secret:
        return secret.encode()
    try:
        return base64.b64decode(encoded, validate=True)
    except binascii.Error as error:
        raise ValueError(f"no base64 after {SECRET_PREFIX}: {error}") from error
