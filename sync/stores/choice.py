"""Open the store that an address names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from catalog.core.errors import SettingsError
from sync.stores.base import Store

if TYPE_CHECKING:
    import boto3


def open_store(
    source: str,
    *,
    endpoint_url: str = "",
    region: str = "",
    session: boto3.Session | None = None,
) -> Store:
    """Open a store; no request is sent yet.

    Args:
        source: ``s3://bucket/prefix`` or ``file:///folder``.
        endpoint_url: Of an S3-compatible store that is not AWS.
        region: Of the bucket; where empty, boto3 finds it.
        session: With the credentials; where None, boto3's usual chain finds them.

    Raises:
        SettingsError: `source` is no such address, or boto3 refuses a setting.
        MissingExtraError: boto3 is not installed.
    """
    parts = urlsplit(source)
    if parts.scheme == "file" and parts.path.startswith("/") and not parts.netloc:
        from sync.stores.folder import FolderStore

        return FolderStore(Path(unquote(parts.path)))
    if parts.scheme == "s3" and parts.netloc:
        from sync.stores.s3 import S3Store

        return S3Store(parts.netloc, parts.path.strip("/"), endpoint_url, region, session)
    raise SettingsError(
        f"{source or 'no source'}: not a place to look for catalogues; "
        "give s3://bucket/prefix or file:///folder"
    )
