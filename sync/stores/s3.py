"""A bucket of AWS S3, or of any store that speaks its protocol."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

from catalog.core.errors import MissingExtraError, SettingsError
from sync.errors import (
    NotInStoreError,
    StoreBusyError,
    StoreChangedError,
    StoreConflictError,
    StoreError,
    StoreRefusedError,
    StoreUnreachableError,
)
from sync.stores.base import CHUNK, ObjectInfo, Store, UploadProgress
from sync.stores.bounds import bound

if TYPE_CHECKING:
    import boto3
    from botocore.exceptions import ClientError

Answer = TypeVar("Answer")

STALE = ("ExpiredToken", "InvalidToken", "TokenRefreshRequired")  # said with status 400
CONNECT_SECONDS = 10
SILENT_SECONDS = 30
LARGE = 64 << 20  # bytes; larger files are sent in parts
PART = 8 << 20  # bytes; boto3 holds ten of them


class S3Store(Store):
    """The objects below `prefix` in `bucket`.

    Args:
        bucket: Its name.
        prefix: What all names begin with; may be empty.
        endpoint_url: Of a store that is not AWS.
        region: Of the bucket; else what boto3 finds.
        session: Whose credentials are used; else boto3's usual chain.
    """

    def __init__(
        self,
        bucket: str,
        prefix: str = "",
        endpoint_url: str = "",
        region: str = "",
        session: boto3.Session | None = None,
    ) -> None:
        try:
            import boto3
            import botocore.exceptions
            from botocore.config import Config
        except ImportError as error:
            raise MissingExtraError("an S3 store", "s3") from error
        self.url = f"s3://{bucket}/{prefix}".rstrip("/")
        self._bucket = bucket
        self._prefix = f"{prefix}/" if prefix else ""
        self._place = endpoint_url or "S3"
        config = Config(
            connect_timeout=CONNECT_SECONDS,
            read_timeout=SILENT_SECONDS,
            retries={"total_max_attempts": 3, "mode": "standard"},
            # newer checksums break stores that are not AWS; our own digests decide anyway
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            s3={"addressing_style": "path"} if endpoint_url else {},
        )
        try:
            self._client: Any = (session or boto3.Session()).client(
                "s3", endpoint_url=endpoint_url or None, region_name=region or None, config=config
            )
        except (ValueError, botocore.exceptions.BotoCoreError) as error:
            raise SettingsError(f"{self.url}: {error}") from error
        bound(self._client)

    def head(self, name: str) -> ObjectInfo | None:
        """See `Store.head`."""
        try:
            found = self._ask(name, lambda: self._client.head_object(**self._at(name)))
        except NotInStoreError:
            return None
        return ObjectInfo(int(found["ContentLength"]), str(found["ETag"]))

    @contextmanager
    def open(self, name: str, start: int = 0, etag: str | None = None) -> Iterator[_Body]:
        """See `Store.open`."""
        wanted = self._at(name)
        if start:
            wanted["Range"] = f"bytes={start}-"
        if etag is not None:
            wanted["IfMatch"] = etag
        found = self._ask(name, lambda: self._client.get_object(**wanted))
        body = _Body(self, name, found)
        try:
            # some stores ignore that they were asked for this object only
            if etag not in (None, body.etag) or body.start > start:
                raise StoreChangedError(f"{self.url}: {name} has changed since it was begun")
            yield body
        finally:
            found["Body"].close()

    def write(
        self,
        name: str,
        content: bytes | BinaryIO,
        *,
        replaces: str | None = None,
        new: bool = False,
        progress: UploadProgress = lambda count: None,
    ) -> ObjectInfo | None:
        """See `Store.write`."""
        condition = {"IfMatch": replaces} if replaces is not None else {}
        if new:
            condition["IfNoneMatch"] = "*"
        if not isinstance(content, bytes):
            return self._send(name, content, condition, progress)
        wanted = self._at(name) | condition | {"Body": content}
        try:
            found = self._ask(name, lambda: self._client.put_object(**wanted))
        except NotInStoreError as error:
            if replaces is None:
                raise
            raise StoreConflictError(f"{self.url}: somebody else has removed {name}") from error
        progress(len(content))
        return ObjectInfo(len(content), found["ETag"])

    def _send(
        self, name: str, file: BinaryIO, condition: dict[str, str], progress: UploadProgress
    ) -> ObjectInfo | None:
        from boto3.s3.transfer import TransferConfig

        if condition:
            raise ValueError("a file is named by its digest and needs no condition")
        transfer = TransferConfig(
            multipart_threshold=LARGE, multipart_chunksize=PART, max_concurrency=4
        )
        self._ask(
            name,
            lambda: self._client.upload_fileobj(
                file,
                self._bucket,
                self._prefix + name,
                Callback=progress,
                Config=transfer,
            ),
        )
        return self.head(name)

    def _at(self, name: str) -> dict[str, Any]:
        return {"Bucket": self._bucket, "Key": self._prefix + name}

    def _ask(self, name: str, call: Callable[[], Answer]) -> Answer:
        from botocore import exceptions
        from urllib3.exceptions import HTTPError

        try:
            return call()
        except exceptions.ClientError as error:
            raise self._answered(name, error) from error
        except (
            exceptions.NoCredentialsError,
            exceptions.PartialCredentialsError,
            exceptions.CredentialRetrievalError,
            exceptions.TokenRetrievalError,
            exceptions.ProfileNotFound,
        ) as error:
            raise StoreRefusedError(
                f"{self.url}: {error}; see docs/sync.md for credentials"
            ) from error
        except (
            exceptions.ConnectionError,
            exceptions.HTTPClientError,
            HTTPError,
            OSError,
        ) as error:
            raise self.broke_off(name, error) from error
        except exceptions.BotoCoreError as error:
            raise StoreError(f"{self.url}: {name}: {error}") from error

    def _answered(self, name: str, error: ClientError) -> StoreError:
        """What an answer that is not the object means."""
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        code = error.response.get("Error", {}).get("Code", "")
        said = f"{self.url}: {name}: the store says {code or status}"
        if code == "NoSuchBucket":
            return NotInStoreError(f"{self.url}: there is no bucket {self._bucket}")
        if status == 404:
            return NotInStoreError(f"{self.url}: has no {name}")
        if status in (401, 403) or code in STALE:
            return StoreRefusedError(f"{said}; check the credentials, their rights and the clock")
        if status in (409, 412) and error.operation_name.startswith("Put"):
            return StoreConflictError(f"{self.url}: somebody else has just written {name}")
        if status in (412, 416):
            return StoreChangedError(f"{self.url}: {name} has changed since it was begun")
        if status in (408, 429) or status >= 500 or code == "RequestTimeout":
            return StoreBusyError(f"{said}; try again later")
        return StoreError(said)

    def broke_off(self, name: str, error: Exception) -> StoreUnreachableError:
        """The connection failed, or the store fell silent."""
        return StoreUnreachableError(
            f"{self.url}: {name}: {self._place} cannot be reached: {_reason(error)}"
        )


class _Body:
    def __init__(self, store: S3Store, name: str, found: dict[str, Any]) -> None:
        self._store, self._name = store, name
        self._stream = found["Body"]._raw_stream  # its own read waits for all it was asked for
        self.etag = str(found.get("ETag", ""))
        self._left = int(found.get("ContentLength", 0))
        try:
            place, _, total = found["ContentRange"].removeprefix("bytes ").partition("/")
            self.start, self.size = int(place.partition("-")[0]), int(total)
        except (KeyError, ValueError):  # all of it
            self.start, self.size = 0, self._left

    def read(self, limit: int = CHUNK) -> bytes:
        from urllib3.exceptions import HTTPError

        try:
            chunk = bytes(self._stream.read1(limit))
        except (HTTPError, OSError) as error:
            raise self._store.broke_off(self._name, error) from error
        self._left -= len(chunk)
        if not chunk and limit and self._left > 0:
            raise StoreUnreachableError(
                f"{self._store.url}: {self._name}: broke off, {self._left} bytes are missing"
            )
        return chunk


def _reason(error: BaseException) -> str:
    """What the system said, below what boto3 and urllib3 made of it."""
    deepest, found = error, error.__context__
    while found is not None:
        deepest, found = found, found.__context__
    said = deepest.strerror if isinstance(deepest, OSError) else None
    return said or str(error)
