"""A store in a bucket of AWS S3, or of another service with the same protocol."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar
from urllib.parse import urlsplit

from catalog.core.errors import MissingExtraError, SettingsError
from catalog.core.local_network import proxy_for
from sync.errors import (
    NotInStoreError,
    StoreBusyError,
    StoreChangedError,
    StoreConflictError,
    StoreError,
    StoreRefusedError,
    StoreUnreachableError,
)
from sync.stores.base import CHUNK, MOST_FOLDERS, ObjectInfo, Store, UploadProgress
from sync.stores.bounds import limit_answers

if TYPE_CHECKING:
    import boto3
    from botocore.exceptions import ClientError

Answer = TypeVar("Answer")

STALE = ("ExpiredToken", "InvalidToken", "TokenRefreshRequired")  # codes with status 400
CONNECT_TIMEOUT_S = 10
READ_TIMEOUT_S = 30
MULTIPART_BYTES = 64 << 20  # larger files are sent in parts
PART_BYTES = 8 << 20  # boto3 holds ten parts in memory


class S3Store(Store):
    """The objects below `prefix` in `bucket`.

    A store in the local network goes through no proxy; where the environment names one, the
    endpoint's name is looked up to tell.

    Args:
        bucket: Its name.
        prefix: The beginning of all names; may be empty.
        endpoint_url: Of a store that is not AWS.
        region: Of the bucket; where empty, boto3 finds it.
        session: With the credentials; where None, boto3's usual chain finds them.

    Raises:
        MissingExtraError: boto3 is not installed.
        SettingsError: boto3 refuses a setting.
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
        self._service = endpoint_url or "S3"
        try:
            endpoint = urlsplit(endpoint_url)
            direct = endpoint.hostname and proxy_for(endpoint.scheme, endpoint.hostname) is None
            proxies: dict[str, str] | None = {} if direct else None  # None: as the environment says
            config = Config(
                connect_timeout=CONNECT_TIMEOUT_S,
                read_timeout=READ_TIMEOUT_S,
                retries={"total_max_attempts": 3, "mode": "standard"},
                # newer checksums break stores that are not AWS; sync verifies its own digests
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
                s3={"addressing_style": "path"} if endpoint_url else {},
                proxies=proxies,
            )
            self._client: Any = (session or boto3.Session()).client(
                "s3", endpoint_url=endpoint_url or None, region_name=region or None, config=config
            )
        except (ValueError, botocore.exceptions.BotoCoreError) as error:
            raise SettingsError(f"{self.url}: {error}") from error
        limit_answers(self._client)

    def head(self, name: str) -> ObjectInfo | None:
        """See `Store.head`."""
        try:
            answer = self._request(name, lambda: self._client.head_object(**self._object(name)))
        except NotInStoreError:
            return None
        return ObjectInfo(int(answer["ContentLength"]), str(answer["ETag"]))

    def folders(self, name: str) -> list[str]:
        """See `Store.folders`."""
        prefix = f"{self._prefix}{name}/"
        request = {"Bucket": self._bucket, "Prefix": prefix, "Delimiter": "/"}
        found: list[str] = []
        while len(found) < MOST_FOLDERS:
            answer = self._request(name, lambda: self._client.list_objects_v2(**request))
            common = answer.get("CommonPrefixes", [])
            found += [entry["Prefix"][len(prefix) : -1] for entry in common]
            if not answer.get("IsTruncated"):
                break
            request["ContinuationToken"] = answer["NextContinuationToken"]
        return found[:MOST_FOLDERS]

    @contextmanager
    def open(self, name: str, start: int = 0, etag: str | None = None) -> Iterator[_Body]:
        """See `Store.open`."""
        request = self._object(name)
        if start:
            request["Range"] = f"bytes={start}-"
        if etag is not None:
            request["IfMatch"] = etag
        answer = self._request(name, lambda: self._client.get_object(**request))
        body = _Body(self, name, answer)
        try:
            # some stores ignore the condition
            if etag not in (None, body.etag) or body.start > start:
                raise StoreChangedError(f"{self.url}: {name} has changed since it was begun")
            yield body
        finally:
            answer["Body"].close()

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
        request = self._object(name) | condition | {"Body": content}
        try:
            answer = self._request(name, lambda: self._client.put_object(**request))
        except NotInStoreError as error:
            if replaces is None:
                raise
            raise StoreConflictError(f"{self.url}: somebody else has removed {name}") from error
        progress(len(content))
        return ObjectInfo(len(content), answer["ETag"])

    def _send(
        self, name: str, file: BinaryIO, condition: dict[str, str], progress: UploadProgress
    ) -> ObjectInfo | None:
        from boto3.s3.transfer import TransferConfig

        if condition:
            raise ValueError("a file is named by its digest and needs no condition")
        transfer = TransferConfig(
            multipart_threshold=MULTIPART_BYTES, multipart_chunksize=PART_BYTES, max_concurrency=4
        )
        self._request(
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

    def _object(self, name: str) -> dict[str, Any]:
        return {"Bucket": self._bucket, "Key": self._prefix + name}

    def _request(self, name: str, call: Callable[[], Answer]) -> Answer:
        from botocore import exceptions
        from urllib3.exceptions import HTTPError

        try:
            return call()
        except exceptions.ClientError as error:
            raise self._error_of(name, error) from error
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
            raise self.cut_off(name, error) from error
        except exceptions.BotoCoreError as error:
            raise StoreError(f"{self.url}: {name}: {error}") from error

    def _error_of(self, name: str, error: ClientError) -> StoreError:
        """The error that an answer of S3 stands for."""
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        code = error.response.get("Error", {}).get("Code", "")
        message = f"{self.url}: {name}: the store says {code or status}"
        if code == "NoSuchBucket":
            return NotInStoreError(f"{self.url}: there is no bucket {self._bucket}")
        if status == 404:
            return NotInStoreError(f"{self.url}: has no {name}")
        if status in (401, 403) or code in STALE:
            return StoreRefusedError(
                f"{message}; check the credentials, their rights and the clock"
            )
        if status in (409, 412) and error.operation_name.startswith("Put"):
            return StoreConflictError(f"{self.url}: somebody else has just written {name}")
        if status in (412, 416):
            return StoreChangedError(f"{self.url}: {name} has changed since it was begun")
        if status in (408, 429) or status >= 500 or code == "RequestTimeout":
            return StoreBusyError(f"{message}; try again later")
        return StoreError(message)

    def cut_off(self, name: str, error: Exception) -> StoreUnreachableError:
        """The error for a connection that failed, or on which no byte came in time."""
        return StoreUnreachableError(
            f"{self.url}: {name}: {self._service} cannot be reached: {_reason(error)}"
        )


class _Body:
    def __init__(self, store: S3Store, name: str, answer: dict[str, Any]) -> None:
        self._store, self._name = store, name
        self._stream = answer["Body"]._raw_stream  # botocore's read waits for all `limit` bytes
        self.etag = str(answer.get("ETag", ""))
        self._left = int(answer.get("ContentLength", 0))
        try:
            place, _, total = answer["ContentRange"].removeprefix("bytes ").partition("/")
            self.start, self.size = int(place.partition("-")[0]), int(total)
        except (KeyError, ValueError):  # the whole object
            self.start, self.size = 0, self._left

    def read(self, limit: int = CHUNK) -> bytes:
        from urllib3.exceptions import HTTPError

        try:
            chunk = bytes(self._stream.read1(limit))
        except (HTTPError, OSError) as error:
            raise self._store.cut_off(self._name, error) from error
        self._left -= len(chunk)
        if not chunk and limit and self._left > 0:
            raise StoreUnreachableError(
                f"{self._store.url}: {self._name}: broke off, {self._left} bytes are missing"
            )
        return chunk


def _reason(error: BaseException) -> str:
    """The message of the deepest error, below those of boto3 and urllib3."""
    deepest, found = error, error.__context__
    while found is not None:
        deepest, found = found, found.__context__
    message = deepest.strerror if isinstance(deepest, OSError) else None
    return message or str(error)
