"""The names of camera sources in logs and messages."""

from __future__ import annotations

import re


def public_name(source: str) -> str:
    """The source as it may be written into logs: without user, password and query.

    Passwords also occur in paths (``/user=admin_password=...``), and an unescaped one makes the
    address ambiguous. Then only the part that is certainly safe stays.
    """
    scheme, separator, rest = source.partition("://")
    if not separator:
        before, at, after = source.rpartition("@")
        return (
            f"...@{after}" if at and ":" in before else source
        )  # a misspelt address may contain a password
    authority = re.split(r"[/?#]", rest)[0]
    path = rest[len(authority) :]
    if "@" in path:
        return f"{scheme}://..."
    path = re.split(r"[?#]", path)[0]
    return f"{scheme}://{authority.rpartition('@')[2]}{'/...' if '=' in path else path}"
