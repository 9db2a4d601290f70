"""Fleet provisioning by claim, with a real mosquitto and a stand-in of AWS IoT's side."""

from __future__ import annotations

import json
import os
import stat
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from catalog.core import durable
from catalog.core.errors import SettingsError
from catalog.core.settings import DeviceSettings, load
from sync.credentials import credentials_endpoint
from sync.errors import OutboxError, ProvisioningError, RejectedError, TransportError
from sync.identity import CURRENT, FOLDER, identity_of
from sync.provisioning import exchange
from sync.provisioning.provisioner import MAX_REFUSALS, Provisioner, utc_now
from sync.provisioning.serial_number import machine_serial
from sync.provisioning.worker import findings, provisioning_worker
from sync.reports.transports.choice import mqtt_address
from sync.reports.transports.mqtt import MqttTransport
from sync.settings import OutboxSettings, SyncSettings
from sync.sharing.listing import device_name
from tests.support.brokers import BrokerCertificates, Consumer, Mosquitto, RecordedCallbacks, until
from tests.support.certificates import DAY, Authority
from tests.support.fleet_provisioning import (
    CREATE,
    PREFIX,
    REGISTER,
    RIGHTS,
    TEMPLATE,
    FleetProvisioning,
    rejected,
)
from visual_search.command import command

pytestmark = pytest.mark.slow

DEVICES = int(os.environ.get("PROVISIONED_DEVICES", "12"))  # `make provisioning-test`: 200


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> BrokerCertificates:
    return BrokerCertificates.make(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def claim(certificates: BrokerCertificates) -> tuple[Path, Path]:
    return certificates.authority.issue("claim")


@pytest.fixture(scope="module")
def mosquitto(
    tmp_path_factory: pytest.TempPathFactory, certificates: BrokerCertificates
) -> Iterator[Mosquitto]:
    broker = Mosquitto(tmp_path_factory.mktemp("mosquitto"), certificates, rights=RIGHTS)
    yield broker
    broker.stop()


@pytest.fixture
def fleet(mosquitto: Mosquitto, certificates: BrokerCertificates) -> Iterator[FleetProvisioning]:
    found = FleetProvisioning(mosquitto, certificates.authority)
    found.connect(certificates)
    yield found
    found.close()


@dataclass(frozen=True)
class Fleet:
    """Makes the settings of devices that may be provisioned."""

    folder: Path
    certificates: BrokerCertificates
    claim: tuple[Path, Path]
    port: int

    def config(self, serial: str, place: str = "", **more: Any) -> Path:
        """The settings file of a device; its data folder is named by `place` or the serial."""
        folder = self.folder / (place or serial)
        folder.mkdir(exist_ok=True)
        lines = [
            "[device]",
            f'data_dir = "{folder / "data"}"',
            f'ca = "{self.certificates.authority.file}"',
            *(f"{key} = {json.dumps(value)}" for key, value in more.pop("device", {}).items()),
            "[outbox]",
            'endpoint = "localhost"',
            f"port = {self.port}",
            *(f"{key} = {json.dumps(value)}" for key, value in more.pop("outbox", {}).items()),
            "[provisioning]",
            f'template = "{TEMPLATE}"',
            f'certificate = "{self.claim[0]}"',
            f'private_key = "{self.claim[1]}"',
            f'serial = "{serial}"',
            *(f"{key} = {json.dumps(value)}" for key, value in more.items()),
        ]
        file = folder / "visual-search.toml"
        file.write_text("\n".join(lines) + "\n")
        return file

    def broker(self, **more: Any) -> Mosquitto:
        """Another broker."""
        return Mosquitto(self.folder / "broker", self.certificates, **more)

    def device(
        self, serial: str, place: str = "", clock: Callable[[], datetime] = utc_now, **more: Any
    ) -> Provisioner:
        """A device that may be provisioned."""
        found = Provisioner.from_settings(self.config(serial, place, **more), clock)
        assert found is not None
        return found


@pytest.fixture
def devices(
    tmp_path: Path,
    certificates: BrokerCertificates,
    claim: tuple[Path, Path],
    mosquitto: Mosquitto,
    monkeypatch: pytest.MonkeyPatch,
) -> Fleet:
    monkeypatch.delenv("VISUAL_SEARCH_DEVICE__DATA_DIR", raising=False)
    return Fleet(tmp_path, certificates, claim, mosquitto.port)


def reports(config: Path) -> bool:
    """Whether a device may report with its own certificate, under its own name."""
    device, outbox = load("device", DeviceSettings, config), load("outbox", OutboxSettings, config)
    address, recorded = mqtt_address(outbox, device), RecordedCallbacks()
    transport = MqttTransport(address)
    transport.open(recorded)
    transport.send(1, f"visual-search/{address.thing}/status", b"{}")
    recorded.wait(lambda: recorded.accepted_tokens or recorded.refusals or recorded.losses)
    transport.close()
    return recorded.accepted_tokens == [1]


def test_a_device_gets_a_certificate_of_its_own(fleet: FleetProvisioning, devices: Fleet) -> None:
    """Its private key is made there and stays there; all that asks who it is gets the answer."""
    config = devices.config("0001")
    done = CliRunner().invoke(command, ["--config", str(config), "sync", "provision"])
    assert done.exit_code == 0, done.output
    assert done.output.startswith(f"{PREFIX}0001: its certificate ends on ")
    device = load("device", DeviceSettings, config)
    identity = identity_of(device)
    assert identity.thing == f"{PREFIX}0001" == device_name(device)
    assert identity.private_key is not None
    for path, mode in ((identity.private_key, 0o600), (identity.private_key.parent, 0o700)):
        assert stat.S_IMODE(path.stat().st_mode) == mode
    sent = json.dumps(fleet.requests)
    assert "PRIVATE" not in sent
    assert [topic for topic, _ in fleet.requests] == [CREATE, REGISTER]
    assert fleet.requests[1][1]["parameters"] == {"SerialNumber": "0001"}
    assert reports(config)
    endpoint = {"credentials_endpoint": "localhost", "role_alias": "catalogue"}
    assert credentials_endpoint(SyncSettings.model_validate(endpoint), device) is not None
    assert "token" not in "".join(
        file.read_text() for file in (device.folder / FOLDER).rglob("*") if file.is_file()
    )
    again = CliRunner().invoke(command, ["--config", str(config), "sync", "provision"])
    assert again.exit_code == 0
    assert len(fleet.requests) == 2  # nothing was due
    [found] = findings(config)
    assert found.state == "ok"


def test_a_fleet(fleet: FleetProvisioning, devices: Fleet) -> None:
    """Each device is provisioned under its own name, and may report."""
    serials = [f"{number:04}" for number in range(DEVICES)]
    things = [devices.device(serial).run().thing for serial in serials]
    assert things == [f"{PREFIX}{serial}" for serial in serials]
    assert {thing: len(found) for thing, found in fleet.things.items()} == dict.fromkeys(things, 1)
    assert reports(devices.config(serials[-1]))
    # Each as a second machine, with the same number: none gets the name of the first.
    for serial in serials[:: max(1, DEVICES // 10)]:
        with pytest.raises(RejectedError, match=rf"rejects a thing .*'{serial}': Access denied"):
            devices.device(serial, f"copy-{serial}").run()
    assert all(len(found) == 1 for found in fleet.things.values())


def test_the_same_serial_twice(fleet: FleetProvisioning, devices: Fleet) -> None:
    """The second is refused, and the first goes on, until the owner lets the second."""
    devices.device("7", "first").run()
    second = devices.device("7", "second")
    with pytest.raises(RejectedError, match=r"template visual-search .*'7': .*\(AccessDenied\)"):
        second.run()
    assert reports(devices.folder / "first" / "visual-search.toml")
    assert second.provisioned is None
    [found] = findings(devices.folder / "second" / "visual-search.toml")
    assert (found.state, found.message) == (
        "wrong", "this device has no certificate of its own yet",
    )  # fmt: skip
    fleet.deactivate(f"{PREFIX}7")
    assert second.run().thing == f"{PREFIX}7"


def test_a_claim_that_is_revoked(devices: Fleet) -> None:
    revoked = devices.certificates.authority.revoke(devices.claim[0])
    broker = devices.broker(rights=RIGHTS, revoked=revoked)
    device = replace(devices, port=broker.port).device("1")
    with pytest.raises(TransportError, match=r"with the claim certificate .*refuses.*revoked"):
        device.run()
    broker.stop()


def test_a_claim_that_may_not_ask(devices: Fleet) -> None:
    """Its policy allows nothing: the device does not wait for what nobody may tell it."""
    broker = devices.broker()
    device = replace(devices, port=broker.port).device("1")
    with pytest.raises(ProvisioningError, match="must allow iot:Publish"):
        device.run()
    broker.stop()


def test_a_claim_that_may_not_hear_the_answers(devices: Fleet) -> None:
    """IoT Core ends the connection then: nothing is asked that nobody could hear."""
    broker = devices.certificates.iot_core(devices.folder / "record")
    broker.behaviour.subscriptions = "close"
    device = replace(devices, port=broker.port).device("1")
    with pytest.raises(ProvisioningError, match="must allow iot:Subscribe and iot:Receive"):
        device.run()
    assert broker.received() == []
    broker.close()


def test_the_broker_is_away(devices: Fleet, certificates: BrokerCertificates) -> None:
    broker = devices.broker(rights=RIGHTS)
    broker.stop()
    device = replace(devices, port=broker.port).device("1")
    with pytest.raises(TransportError, match=r"with the claim .*nothing listens there"):
        device.run()
    broker.start()
    fleet = FleetProvisioning(broker, certificates.authority)
    fleet.connect(certificates)
    assert device.run().thing == f"{PREFIX}1"
    fleet.close()
    broker.stop()


MADE = {"certificateId": "a", "certificatePem": "b", "certificateOwnershipToken": "c"}


@pytest.mark.parametrize(
    ("topic", "answer", "message"),
    [
        (CREATE, rejected(429, "Throttled", "slow\ndown\x1b[1m"), r"a certificate: slow down \[1m"),
        (CREATE, ("rejected", b"\xff"), "it does not say why"),
        (CREATE, ("rejected", b"{}"), "no reason given"),
        (CREATE, ("accepted", b"no json"), "cannot be used: the document: .*JSON"),
        (CREATE, ("accepted", b"{}"), "cannot be used: certificateId: Field required"),
        (CREATE, ("accepted", json.dumps(MADE).encode()), "holds no certificate"),
        (CREATE, ("accepted", json.dumps(MADE | {"certificateId": "../a"}).encode()), "pattern"),
        (REGISTER, rejected(404, "ResourceNotFound", "no template"), "no template"),
        (REGISTER, ("accepted", b'{"thingName": "a/b"}'), "thingName: .*pattern"),
        (REGISTER, ("accepted", b'{"thingName": ["a"]}'), "thingName: .*string"),
    ],
)
def test_answers_that_are_none(
    topic: str,
    answer: tuple[str, bytes],
    message: str,
    fleet: FleetProvisioning,
    devices: Fleet,
) -> None:
    """Each is a sentence, and the device is provisioned when AWS answers rightly again."""
    device = devices.device("1")
    fleet.answers[topic] = answer
    with pytest.raises(ProvisioningError, match=message) as caught:
        device.run()
    assert str(caught.value).isprintable()
    assert device.provisioned is None
    fleet.answers.clear()
    assert device.run().thing == f"{PREFIX}1"


def test_the_certificate_of_another_key(
    fleet: FleetProvisioning, devices: Fleet, certificates: BrokerCertificates
) -> None:
    pem = certificates.device[0].read_text()
    fleet.answers[CREATE] = ("accepted", json.dumps(MADE | {"certificatePem": pem}).encode())
    with pytest.raises(ProvisioningError, match="a certificate for another key"):
        devices.device("1").run()


def test_no_answer(
    fleet: FleetProvisioning, devices: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "ANSWER_TIMEOUT_S", 0.2)
    fleet.silent.add(REGISTER)
    with pytest.raises(ProvisioningError, match=r"no answer came within 0\.2 s"):
        devices.device("1").run()


class PowerCut(BaseException):
    """The device is off."""


@pytest.mark.parametrize("single_use", [False, True])
def test_a_power_cut_between_any_two_steps(
    single_use: bool,
    fleet: FleetProvisioning,
    devices: Fleet,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Afterwards it is provisioned, and has never had half an identity.

    Where AWS took a token only once, the moment between its answer and the disk would need the
    owner; the device says so.
    """
    fleet.single_use = single_use
    writes = 0
    write, point = durable.write, durable.point

    def cut_at(step: int) -> Callable[[Any], Any]:
        def wrap(do: Any) -> Any:
            def wrapped(*arguments: Any) -> None:
                nonlocal writes
                writes += 1
                if writes == step:
                    raise PowerCut
                do(*arguments)

            return wrapped

        return wrap

    steps = 6  # key, link, certificate, request, thing, link
    for step in range(1, steps + 2):
        writes, serial = 0, f"{single_use}-{step}"
        device = devices.device(serial)
        with monkeypatch.context() as patch:
            for name, do in (("write", write), ("point", point)):
                patch.setattr(durable, name, cut_at(step)(do))
            if step <= steps:
                with pytest.raises(PowerCut):
                    device.run()
            else:
                device.run()
                assert writes == steps
        current = devices.folder / serial / "data" / FOLDER / CURRENT
        assert current.exists() == (step > steps)
        if single_use and step == 5:  # AWS has answered, and the answer is not on the disk
            with pytest.raises(RejectedError, match="Access denied"):
                devices.device(serial).run()
            continue
        assert devices.device(serial).run().thing == f"{PREFIX}{serial}"
        assert reports(devices.folder / serial / "visual-search.toml")
        assert {path.name for path in current.parent.iterdir()} == {
            CURRENT, current.resolve().name,
        }  # fmt: skip


def test_the_old_certificate_works_until_the_new_one_has_connected(
    fleet: FleetProvisioning, devices: Fleet, certificates: BrokerCertificates, tmp_path: Path
) -> None:
    fleet.lifetimes = [(-DAY, timedelta(hours=8))]  # of a third of its life, eight hours are left
    device = devices.device("1")
    first = device.run()
    assert device.is_due()
    other = tmp_path / "other"
    other.mkdir()
    fleet.signs = Authority(other)  # whose certificates the broker does not know
    config = tmp_path / "1" / "visual-search.toml"
    for _ in range(MAX_REFUSALS):
        with pytest.raises(TransportError, match="refuses"):
            device.run()
        assert device.provisioned == first
        assert reports(config)
    fleet.signs = certificates.authority
    second = device.run()  # the one that is always refused is given up
    assert (second.thing, second.former) == (first.thing, first.certificate_id)
    assert not device.is_due()
    assert reports(config)
    assert len(fleet.things[f"{PREFIX}1"]) == 3


def test_a_certificate_that_has_ended_is_replaced_by_the_claim(
    fleet: FleetProvisioning, devices: Fleet
) -> None:
    """So is one that was revoked, where somebody says so."""
    fleet.lifetimes = [(-2 * DAY, DAY)]
    device = devices.device("1")
    first = device.run()
    ends = device.ends()
    assert ends is not None
    late = devices.device("1", clock=lambda: ends + DAY)
    for certificate in fleet.certificates.values():
        certificate.ends -= 2 * DAY
    second = late.run()
    assert second.former == first.certificate_id
    fleet.deactivate(second.thing)
    third = devices.device("1").run(again=True)
    assert third.former == second.certificate_id


def test_the_age_of_a_certificate(fleet: FleetProvisioning, devices: Fleet) -> None:
    """AWS's own certificates end in decades: they are renewed by their age, where asked for."""
    fleet.lifetimes = [(-10 * DAY, 8000 * DAY)]
    assert devices.device("1", max_age_days=9).run()
    assert devices.device("1", max_age_days=9).is_due()
    assert not devices.device("1", max_age_days=11).is_due()
    assert not devices.device("1").is_due()


def test_sync_run_provisions_reports_and_renews(
    fleet: FleetProvisioning,
    devices: Fleet,
    mosquitto: Mosquitto,
    certificates: BrokerCertificates,
) -> None:
    """The worker's one thread does all, and says in reports what it did."""
    fleet.lifetimes = [(-DAY, timedelta(hours=8))]
    consumer = Consumer(mosquitto.port, certificates)
    config = devices.config("1")
    stopping, wake = threading.Event(), threading.Event()
    thread = threading.Thread(target=provisioning_worker(config), args=(stopping, wake))
    thread.start()
    try:
        until(lambda: len(consumer.ids) == 2)  # "provisioned" and "certificate_renewed"
    finally:
        stopping.set()
        thread.join()
        consumer.close()
    assert wake.is_set()  # catalogues may be fetched now
    assert len(fleet.things[f"{PREFIX}1"]) == 2


def test_sync_run_says_why_it_is_not_provisioned(fleet: FleetProvisioning, devices: Fleet) -> None:
    """The reason is the newest problem of the outbox, which the page and `sync outbox` show."""
    fleet.answers[REGISTER] = rejected(400, "InvalidParameters", "the serial is not on the list")
    config = devices.config("1")
    stopping = threading.Event()
    thread = threading.Thread(
        target=provisioning_worker(config), args=(stopping, threading.Event())
    )
    thread.start()

    def says() -> bool:
        done = CliRunner().invoke(command, ["--config", str(config), "sync", "outbox", "--json"])
        return "the serial is not on the list" in done.output

    try:
        until(says)
    finally:
        stopping.set()
        thread.join()


def test_the_claim_is_erased_where_that_is_asked_for(
    fleet: FleetProvisioning, devices: Fleet, tmp_path: Path
) -> None:
    copy = tmp_path / "claim.pem", tmp_path / "claim.key"
    for source, target in zip(devices.claim, copy, strict=True):
        target.write_bytes(source.read_bytes())
    own = Fleet(devices.folder, devices.certificates, copy, devices.port)
    own.device("1").run()
    assert all(file.exists() for file in copy)
    fleet.answers[REGISTER] = rejected(400, "", "not now")
    with pytest.raises(RejectedError):
        own.device("2", erase_claim=True).run()
    assert all(file.exists() for file in copy)
    own.device("1", erase_claim=True).run()  # as after a power cut: nothing is due but this
    assert not any(file.exists() for file in copy)
    copy[0].write_text("the power went before it was removed")
    config = own.config("1", erase_claim=True)
    assert "the claim is still here" in [found.message for found in findings(config)]
    own.device("1", erase_claim=True).erase_spare_claim()
    assert not copy[0].exists()


def test_a_clock_that_is_ahead(fleet: FleetProvisioning, devices: Fleet) -> None:
    """A certificate that was just made is not renewed by its age."""
    fleet.lifetimes = [(-DAY, 8000 * DAY)]
    device = devices.device("1", clock=lambda: utc_now() + 40 * DAY, max_age_days=30)
    device.run()
    assert not device.is_due()


def test_a_renewal_is_followed_by_a_pause(
    fleet: FleetProvisioning,
    devices: Fleet,
    mosquitto: Mosquitto,
    certificates: BrokerCertificates,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Even where the device goes on to think that it is due, it reports in between."""
    devices.device("1").run()
    monkeypatch.setattr(Provisioner, "is_due", lambda self: True)
    consumer = Consumer(mosquitto.port, certificates)
    stopping = threading.Event()
    work = provisioning_worker(devices.config("1"))
    thread = threading.Thread(target=work, args=(stopping, threading.Event()))
    thread.start()
    try:
        until(lambda: consumer.ids)  # "certificate_renewed"
    finally:
        stopping.set()
        thread.join()
        consumer.close()
    assert len(fleet.things[f"{PREFIX}1"]) == 2


def test_a_serial_number_that_was_changed_meanwhile(
    fleet: FleetProvisioning, devices: Fleet
) -> None:
    fleet.answers[REGISTER] = rejected(400, "", "not now")
    with pytest.raises(RejectedError):
        devices.device("1", "same").run()
    fleet.answers.clear()
    assert devices.device("2", "same").run().thing == f"{PREFIX}2"


def test_again_does_not_wait_for_what_is_refused(
    fleet: FleetProvisioning, devices: Fleet, tmp_path: Path
) -> None:
    """The next identity that AWS IoT refuses is dropped, and the claim gets another."""
    device = devices.device("1")
    device.run()
    right = fleet.signs
    (tmp_path / "other").mkdir()
    fleet.signs = Authority(tmp_path / "other")  # whose certificates the broker does not know
    with pytest.raises(TransportError):
        device.run(renew=True)
    fleet.signs = right
    fleet.deactivate(f"{PREFIX}1")
    assert device.run(again=True).thing == f"{PREFIX}1"


def test_another_process_is_connected(fleet: FleetProvisioning, devices: Fleet) -> None:
    from catalog.core.locks import locked
    from sync.reports.reporter import LOCK

    config = devices.config("1")
    state = load("device", DeviceSettings, config).state
    durable.make_private_folder(state)
    with locked(state / LOCK), pytest.raises(OutboxError, match="stop it first"):
        devices.device("1").run()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"device": {"thing": "shelf-1"}}, r"\[device\] thing and \[provisioning\] template"),
        ({"device": {"certificate": "a.pem"}}, r"\[device\] certificate and"),
        ({"outbox": {"endpoint": ""}}, "endpoint"),
    ],
)
def test_settings_that_contradict_each_other(
    more: dict[str, Any], message: str, devices: Fleet
) -> None:
    if "outbox" in more:
        config = devices.config("1")
        config.write_text(config.read_text().replace('endpoint = "localhost"', 'endpoint = ""'))
    else:
        config = devices.config("1", **more)
    with pytest.raises(SettingsError, match=message):
        Provisioner.from_settings(config)
    [found] = findings(config)
    assert found.state == "wrong"


@pytest.mark.parametrize(
    ("written", "serial"),
    [
        (b"10000000a1b2c3d4\0", "10000000a1b2c3d4"),
        (b"PF1 ABC/77\n", "PF1-ABC-77"),
        (b"To be filled by O.E.M.\n", ""),
        (b"System Serial Number\n", ""),
        (b"Default string\n", ""),
        (b"0000000000\n", ""),
        (b"None\n", ""),
        (b"7777777\n", ""),
        (b"\n", ""),
        (b"\xff\xfe\n", ""),
    ],
)
def test_the_serial_number_of_the_machine(written: bytes, serial: str, tmp_path: Path) -> None:
    file = tmp_path / "serial"
    file.write_bytes(written)
    assert machine_serial([tmp_path / "missing", file]) == serial
