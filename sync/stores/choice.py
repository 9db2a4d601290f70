"""Open the store that an address names."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from catalog.core.errors import SettingsError
from sync.stores.base import Store

if TYPE_CHECKING:
    import boto3

BUCKET = re.compile(r"[A-Za-z0-9._:-]+")  # a name, or an access point's ARN up to its slash


def check_address(text: str) -> None:
    """Check that a text has the form of a store's address; nothing is opened.

    Raises:
        SettingsError: It has another one.
    """
    if re.fullmatch(f"s3://{BUCKET.pattern}(/.*)?|file:///.+", text) is None:
        raise SettingsError(f"{text} is neither s3://BUCKET/PREFIX nor file:///FOLDER")


def open_store(
    source: str,
    *,
    endpoint_url: str = "",
    region: str = "",
    session: boto3.Session | None = None,
) -> Store:
    """Open a store; nothing is sent to it yet, but its name may be looked up, see `S3Store`.

    Args:
        source: ``s3://bucket/prefix``, or ``file:///folder`` with %20 for a space. A ``#`` or
            ``?`` is a character of the prefix or of the folder like any other.
        endpoint_url: Of an S3-compatible store that is not AWS.
        region: Of the bucket; where empty, boto3 finds it.
        session: With the credentials; where None, boto3's usual chain finds them.

    Raises:
        SettingsError: `source` is no such address, or boto3 refuses a setting.
        MissingExtraError: boto3 is not installed.
    """
    scheme, _, place = source.partition(":")
    path = place.removeprefix("//")
    if scheme.lower() == "file" and path.startswith("/") and "\0" not in unquote(path):
        from sync.stores.folder import FolderStore

        return FolderStore(Path(unquote(path)))
    bucket, _, prefix = path.partition("/")
    if scheme.lower() == "s3" and place.startswith("//") and BUCKET.fullmatch(bucket):
        from sync.stores.s3 import S3Store

        return S3Store(bucket, prefix.strip("/"), endpoint_url, region, session)
    raise SettingsError(
        f"{source or 'no source'}: not a place to look for catalogues; "
        "give s3://bucket/prefix or file:///folder"
    )
