"""A bucket that is there at once, and a proxy before it that can fail."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sync.stores.base import Store
from sync.stores.choice import open_store
from tests.support.faulty_proxy import FaultyProxy
from tests.support.s3_server import ACCESS, BUCKET, SECRET, S3Server
from tests.support.small_bucket import SmallBucket


@pytest.fixture(scope="session")
def small_bucket() -> Iterator[SmallBucket]:
    """A bucket in memory."""
    bucket = SmallBucket(BUCKET)
    yield bucket
    bucket.close()


@pytest.fixture
def s3_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An ``s3://`` address that is the test's own, in whichever bucket."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return f"s3://{BUCKET}/{tmp_path.name}"


@pytest.fixture
def faulty(small_bucket: SmallBucket) -> Iterator[FaultyProxy]:
    """The bucket in memory behind a proxy that can fail."""
    proxy = FaultyProxy(small_bucket.address)
    yield proxy
    proxy.close()


@pytest.fixture(
    params=[pytest.param("whole server", marks=pytest.mark.slow), "bucket in memory", "folder"]
)
def store(request: pytest.FixtureRequest, tmp_path: Path, s3_source: str) -> Store:
    """An empty store of each kind."""
    if request.param == "whole server":
        server: S3Server = request.getfixturevalue("s3_server")
        return open_store(s3_source, endpoint_url=server.address)
    if request.param == "bucket in memory":
        bucket: SmallBucket = request.getfixturevalue("small_bucket")
        return open_store(s3_source, endpoint_url=bucket.address)
    (tmp_path / "store").mkdir()
    return open_store((tmp_path / "store").as_uri())
