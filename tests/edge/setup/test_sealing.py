"""`visual-search setup --seal`: a device without an identity, to be cloned."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from catalog.core.errors import VisualSearchError
from catalog.core.settings import DeviceSettings, device_id
from edge.setup import first_catalogue, services
from edge.setup.apply import seal
from edge.web.staff.pin import StaffPin
from sync.settings import ProvisioningSettings
from tests.edge.setup.conftest import PIN, STOPPED, run


def test_a_sealed_device_has_no_identity(tmp_path: Path) -> None:
    device = DeviceSettings(data_dir=tmp_path / "data")
    first = device_id(device.folder)
    StaffPin(device.state).set(PIN, replace=True)
    (device.folder / "tls").mkdir()
    (device.shelf / "versions").mkdir(parents=True)
    (device.folder / "lost+found").mkdir()  # of a disk of its own
    built, left = first_catalogue.BUILT, ".device-id.0123abcd"  # of a setup, a write, broken off
    for name in ("outbox.db", built, f".{built}.lock", f".{built}.building", left):
        (device.folder / name).touch()
    assert {"device-id", "outbox.db", "state", "tls", built, left} < set(seal(device))
    assert sorted(os.listdir(device.folder)) == ["lost+found", "shelf"]
    assert device_id(device.folder) != first


def test_sealing_leaves_photos_and_catalogues_of_the_owner_alone(tmp_path: Path) -> None:
    device = DeviceSettings(data_dir=tmp_path / "data")
    device_id(device.folder)
    for name in ("photos", "shop.bundle"):
        (device.folder / name).mkdir()
    with pytest.raises(VisualSearchError, match=r"also holds photos, shop\.bundle, which"):
        seal(device)
    assert sorted(os.listdir(device.folder)) == ["device-id", "photos", "shop.bundle"]


def test_a_device_with_a_certificate_is_not_sealed(tmp_path: Path) -> None:
    device = DeviceSettings(data_dir=tmp_path, certificate=Path("x.pem"), private_key=Path("x"))
    device_id(device.folder)
    with pytest.raises(VisualSearchError, match=r"certificate is set, and every clone"):
        seal(device)
    assert (tmp_path / "device-id").exists()


def test_clones_are_provisioned_one_by_one(tmp_path: Path) -> None:
    """The identity goes and the claim stays; a serial number that all would have is refused."""
    device = DeviceSettings(data_dir=tmp_path / "data")
    device_id(device.folder)
    (device.folder / "identity" / "current").mkdir(parents=True)
    files = {"certificate": tmp_path / "claim.pem", "private_key": tmp_path / "claim.key"}
    claim = ProvisioningSettings(template="fleet", **files)  # type: ignore[arg-type]
    with pytest.raises(VisualSearchError, match="the claim is gone"):
        seal(device, claim)
    for file in files.values():
        file.touch()
    with pytest.raises(VisualSearchError, match=r"\[provisioning\] serial is set"):
        seal(device, claim.model_copy(update={"serial": "1"}))
    assert seal(device, claim) == ["device-id", "identity"]


@pytest.mark.parametrize("name", ["photo.jpg", "state"])
def test_a_folder_of_somebody_else_is_not_sealed(name: str, tmp_path: Path) -> None:
    (tmp_path / name).mkdir()
    with pytest.raises(VisualSearchError, match="neither a device-id nor a shelf"):
        seal(DeviceSettings(data_dir=tmp_path))
    assert (tmp_path / name).exists()


def test_what_cannot_be_sealed_does_not_stop_the_services(
    systemd: Path, device: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VISUAL_SEARCH_DEVICE__DATA_DIR", str(device / "data"))
    monkeypatch.setenv("VISUAL_SEARCH_DEVICE__THING", "shop")
    assert run("--seal").exit_code == 1
    assert not systemd.exists()


@pytest.mark.parametrize("failure", [SystemExit, ZeroDivisionError, KeyboardInterrupt])
def test_the_services_start_again_after_any_failure(
    failure: type[BaseException], systemd: Path
) -> None:
    with pytest.raises(failure), services.stopped():
        raise failure
    assert systemd.read_text().splitlines() == [
        STOPPED,
        "--quiet start visual-search.target",
    ]
