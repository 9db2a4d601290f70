"""Let python-tuf read its metadata from a store."""

from __future__ import annotations

from collections.abc import Iterator

from tuf.api import exceptions
from tuf.ngclient import FetcherInterface

from sync.errors import NotInStoreError, StoreRefusedError, StoreTooLargeError
from sync.stores.base import Store


class StoreFetcher(FetcherInterface):
    """Reads from a store; the store's own errors are the causes of those that python-tuf expects.

    Attributes:
        last: The bytes that were read last.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self.last = b""

    def _fetch(self, url: str) -> Iterator[bytes]:
        # The interface requires it, but only `download_bytes` calls it, which is replaced below.
        raise NotImplementedError(f"{url}: nothing is fetched without a limit")

    def download_bytes(self, url: str, max_length: int) -> bytes:
        """Read an object of at most `max_length` bytes."""
        try:
            self.last = self._store.read(url, max_length)
        except (NotInStoreError, StoreRefusedError) as error:
            # Both mean that there is no next root: S3 says 403 for an absent object to whoever
            # may not list the bucket.
            status = 404 if isinstance(error, NotInStoreError) else 403
            raise exceptions.DownloadHTTPError(str(error), status) from error
        except StoreTooLargeError as error:
            raise exceptions.DownloadLengthMismatchError(str(error)) from error
        return self.last
