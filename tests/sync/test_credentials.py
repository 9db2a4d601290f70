"""Credentials for a certificate, from a stand-in of the endpoint, used with a real store."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from catalog.core.errors import SettingsError
from catalog.core.settings import DeviceSettings, device_id
from sync.credentials import boto3_session, credentials_endpoint
from sync.errors import StoreBusyError, StoreError, StoreRefusedError, StoreUnreachableError
from sync.settings import SyncSettings
from sync.stores.base import Store
from sync.stores.choice import open_store
from tests.support.iot_endpoint import Authority, IotEndpoint, TokenGate
from tests.support.s3_server import ACCESS, BUCKET, SECRET, S3Server


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def endpoint(authority: Authority) -> Iterator[IotEndpoint]:
    endpoint = IotEndpoint(authority, ACCESS, SECRET)
    yield endpoint
    endpoint.close()


@pytest.fixture
def device(authority: Authority, tmp_path: Path) -> DeviceSettings:
    certificate, key = authority.certificate("thing-7")
    return DeviceSettings(
        data_dir=tmp_path / "data",
        thing="thing-7",
        certificate=certificate,
        private_key=key,
        ca=authority.ca,
    )


def settings(endpoint: IotEndpoint, **changes: Any) -> SyncSettings:
    given = {"credentials_endpoint": endpoint.host, "role_alias": "catalogue reader"}
    return SyncSettings.model_validate(given | changes)


@pytest.fixture
def gate(s3_server: S3Server) -> Iterator[TokenGate]:
    """A bucket with an object, for clients with the session token."""
    s3_server.client().put_object(Bucket=BUCKET, Key="credentials/a", Body=b"content")
    gate = TokenGate(s3_server.address, ACCESS, SECRET)
    yield gate
    gate.close()


def store(endpoint: IotEndpoint, device: DeviceSettings, address: str) -> Store:
    """The bucket, with the endpoint's keys."""
    return open_store(
        f"s3://{BUCKET}/credentials",
        endpoint_url=address,
        region="us-east-1",
        session=boto3_session(settings(endpoint), device),
    )


def test_without_an_endpoint_boto3_finds_credentials(device: DeviceSettings) -> None:
    assert boto3_session(SyncSettings.model_validate({}), device) is None


def test_keys_come_for_the_certificate(endpoint: IotEndpoint, device: DeviceSettings) -> None:
    found = credentials_endpoint(settings(endpoint), device)
    assert found is not None
    keys = found.keys()
    assert (keys.access_key_id, keys.secret_access_key, keys.session_token) == (
        ACCESS,
        SECRET,
        "token",
    )
    (asked,) = endpoint.asked
    assert asked.path == "/role-aliases/catalogue%20reader/credentials"
    assert (asked.thing, asked.common_name) == ("thing-7", "thing-7")


def test_a_device_without_a_thing_name_gives_its_id(
    endpoint: IotEndpoint, device: DeviceSettings
) -> None:
    device = device.model_copy(update={"thing": ""})
    found = credentials_endpoint(settings(endpoint), device)
    assert found is not None
    found.keys()
    assert endpoint.asked[0].thing == device_id(device.folder)


def test_a_store_is_read_with_them_and_they_are_asked_for_once(
    endpoint: IotEndpoint, device: DeviceSettings, gate: TokenGate
) -> None:
    place = store(endpoint, device, gate.address)
    assert endpoint.asked == [], "nothing is asked before it is needed"
    assert place.read("a", 100) == place.read("a", 100) == b"content"
    assert len(endpoint.asked) == 1
    assert gate.tokens == ["token", "token"]


def test_keys_that_run_out_are_renewed(
    endpoint: IotEndpoint, device: DeviceSettings, gate: TokenGate
) -> None:
    endpoint.lifetime = timedelta(seconds=30)
    place = store(endpoint, device, gate.address)
    place.read("a", 100)
    endpoint.lifetime = timedelta(hours=1)
    place.read("a", 100)
    assert place.read("a", 100) == b"content"
    assert len(endpoint.asked) == 2


@pytest.mark.parametrize(
    ("status", "error", "said"),
    [
        (403, StoreRefusedError, "iot:AssumeRoleWithCertificate"),
        (404, StoreRefusedError, "role alias 'catalogue reader'"),
        (500, StoreBusyError, "says 500"),
        (429, StoreBusyError, "says 429"),
    ],
)
def test_a_refusal_of_the_endpoint_is_named(
    endpoint: IotEndpoint,
    device: DeviceSettings,
    status: int,
    error: type[StoreError],
    said: str,
) -> None:
    endpoint.status = status
    with pytest.raises(error, match=said):
        store(endpoint, device, "http://127.0.0.1:9").read("a", 100)


def test_an_answer_without_keys_is_named(endpoint: IotEndpoint, device: DeviceSettings) -> None:
    del endpoint.keys["sessionToken"]
    found = credentials_endpoint(settings(endpoint), device)
    assert found is not None
    with pytest.raises(StoreError, match="holds no credentials"):
        found.keys()


def test_an_endpoint_that_is_not_there_or_not_trusted_is_named(
    endpoint: IotEndpoint, device: DeviceSettings, tmp_path: Path
) -> None:
    absent = credentials_endpoint(settings(endpoint, credentials_endpoint="127.0.0.1:9"), device)
    other = Authority(tmp_path / "other")
    untrusting = credentials_endpoint(
        settings(endpoint), device.model_copy(update={"ca": other.ca})
    )
    certificate, key = other.certificate("stranger")
    stranger = credentials_endpoint(
        settings(endpoint),
        device.model_copy(update={"certificate": certificate, "private_key": key}),
    )
    for refused in (absent, untrusting, stranger):
        assert refused is not None
        with pytest.raises(StoreUnreachableError, match="cannot be reached"):
            refused.keys()
    assert endpoint.asked == []


@pytest.mark.parametrize("missing", ["certificate", "private_key"])
def test_what_is_not_set_is_named(
    endpoint: IotEndpoint, device: DeviceSettings, missing: str
) -> None:
    with pytest.raises(SettingsError, match=rf"also needs \[device\] {missing}"):
        boto3_session(settings(endpoint), device.model_copy(update={missing: None}))
    with pytest.raises(SettingsError, match=r"\[sync\] role_alias"):
        boto3_session(settings(endpoint, role_alias=""), device)


def test_files_that_are_no_certificates_are_named(
    endpoint: IotEndpoint, device: DeviceSettings, tmp_path: Path
) -> None:
    (tmp_path / "wrong.pem").write_text("no certificate")
    for name in ("certificate", "private_key", "ca"):
        for path in (tmp_path / "wrong.pem", tmp_path / "absent.pem"):
            with pytest.raises(SettingsError, match=f"{name}"):
                boto3_session(settings(endpoint), device.model_copy(update={name: path}))
