"""What the TUF conformance suite drives: our trust code behind the suite's command line.

The suite (https://github.com/theupdateframework/tuf-conformance) brings its own repositories
and clocks; run it with ``make tuf-conformance SUITE=<checkout>``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import click
import urllib3
from tuf.ngclient import UpdaterConfig

from catalog.core.errors import VisualSearchError
from sync.errors import NotInStoreError, StoreBusyError, StoreRefusedError
from sync.stores.base import CHUNK, METADATA, ObjectInfo, Store
from sync.trust.repository import TrustedRepository

GIVEN = "given-root"  # beside the metadata, which the suite looks into


class _Body:
    def __init__(self, answer: urllib3.BaseHTTPResponse) -> None:
        self._answer = answer
        self.size, self.etag, self.start = int(answer.headers.get("Content-Length", 0)), "", 0

    def read(self, limit: int = CHUNK) -> bytes:
        return bytes(self._answer.read1(limit))


class WebStore(Store):
    """The suite's repository: metadata below one address, targets below another."""

    def __init__(self, metadata: str, targets: str) -> None:
        self.url = metadata
        self._bases = {METADATA: metadata, "targets": targets}

    def head(self, name: str) -> ObjectInfo | None:
        raise NotImplementedError("a client only reads, and reads whole")

    def folders(self, name: str) -> list[str]:
        raise NotImplementedError("a client asks for what it knows")

    def write(self, *_: object, **__: object) -> None:
        raise NotImplementedError("a client only reads")

    @contextmanager
    def open(self, name: str, start: int = 0, etag: str | None = None) -> Iterator[_Body]:
        kind, _, rest = name.partition("/")
        address = f"{self._bases[kind].rstrip('/')}/{quote(rest, safe='/%')}"
        answer = urllib3.request("GET", address, preload_content=False, retries=False)
        try:
            if answer.status == 404:
                raise NotInStoreError(f"{address}: 404")
            if answer.status == 403:
                raise StoreRefusedError(f"{address}: 403")
            if answer.status != 200:
                raise StoreBusyError(f"{address}: {answer.status}")
            yield _Body(answer)
        finally:
            answer.close()


@click.group()
@click.option("--metadata-dir", required=True, type=click.Path(path_type=Path))
@click.option("--metadata-url", default="")
@click.option("--target-name", "names", multiple=True)
@click.option("--target-dir", type=click.Path(path_type=Path))
@click.option("--target-base-url", default="")
@click.pass_context
def client(
    context: click.Context,
    metadata_dir: Path,
    metadata_url: str,
    names: tuple[str, ...],
    target_dir: Path | None,
    target_base_url: str,
) -> None:
    """A TUF client; see the suite's CLIENT-CLI.md."""
    context.obj = (metadata_dir, metadata_url, names, target_dir, target_base_url)


@client.command()
@click.argument("root", type=click.Path(path_type=Path))
@click.pass_obj
def init(given: tuple[Path, str, tuple[str, ...], Path, str], root: Path) -> None:
    """Remember the root to begin with."""
    (given[0] / GIVEN).write_bytes(root.read_bytes())


@client.command()
@click.pass_obj
def refresh(given: tuple[Path, str, tuple[str, ...], Path, str]) -> None:
    """Fetch and verify the metadata."""
    _refreshed(given)


@client.command()
@click.pass_obj
def download(given: tuple[Path, str, tuple[str, ...], Path, str]) -> None:
    """Fetch and verify targets."""
    trust = _refreshed(given)
    updater = trust._refreshed_updater
    updater.config.targets_max_length = UpdaterConfig.targets_max_length
    for name in given[2]:
        with trust._translated_errors():  # the suite delegates further than devices follow
            target = updater.get_targetinfo(name)
        if target is None:
            sys.exit(f"{name}: is not signed")
        file = given[3] / quote(name, safe="")
        if file.is_file():
            with file.open("rb") as had:
                try:
                    target.verify_length_and_hashes(had)
                    continue
                except Exception as error:
                    print(f"{name}: is fetched again: {error}", file=sys.stderr)
        file.write_bytes(trust.content(target, 1 << 20))


def _refreshed(given: tuple[Path, str, tuple[str, ...], Path, str]) -> TrustedRepository:
    folder, metadata, _, _, targets = given
    trust = TrustedRepository(folder, (folder / GIVEN).read_bytes(), WebStore(metadata, targets))
    trust.refresh()
    return trust


if __name__ == "__main__":
    try:
        client()
    except VisualSearchError as error:
        sys.exit(f"{error.__class__.__name__}: {error}")
