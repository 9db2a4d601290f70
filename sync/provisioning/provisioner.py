"""Provision this device with a claim certificate, and renew its own certificate before it ends."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509

from catalog.core import durable
from catalog.core.errors import SettingsError, ShelfError
from catalog.core.locks import locked
from catalog.core.settings import DeviceSettings, device_id, load
from sync.errors import OutboxError, ProvisioningError, RejectedError, TransportError
from sync.identity import CERTIFICATE, CURRENT, FOLDER, PRIVATE_KEY, Provisioned, read_provisioned
from sync.provisioning.exchange import Exchange, open_exchange
from sync.provisioning.next_identity import NextIdentity, Requested
from sync.provisioning.serial_number import machine_serial
from sync.reports.callbacks import CallbackQueue
from sync.reports.reporter import LOCK
from sync.reports.transports.broker_address import BrokerAddress
from sync.reports.transports.mqtt import MqttTransport
from sync.settings import OutboxSettings, ProvisioningSettings

CLAIM = "claim-"  # the MQTT client id of who connects with the claim begins so
MAX_REFUSALS = 5  # of a new certificate that AWS IoT may not know everywhere yet
LARGEST_SHARE = 1 / 3  # of a certificate's life in which it is renewed

log = logging.getLogger(__name__)


def utc_now() -> datetime:
    """The time now."""
    return datetime.now(UTC)


class Provisioner:
    """Gets this device's own certificate, and keeps it valid.

    Args:
        settings: ``[provisioning]``.
        outbox: ``[outbox]``, for the broker's address.
        device: ``[device]``.
        clock: The time now, UTC.
    """

    def __init__(
        self,
        settings: ProvisioningSettings,
        outbox: OutboxSettings,
        device: DeviceSettings,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._settings = settings
        self._outbox = outbox
        self._device = device
        self._clock = clock
        self._current = device.folder / FOLDER / CURRENT
        self._next = NextIdentity(device.folder)
        self._refusals = 0
        self._renew_at: datetime | None = None
        self._made_at: datetime | None = None  # by this device's clock, which may be wrong

    @classmethod
    def from_settings(
        cls, config: Path | None, clock: Callable[[], datetime] = utc_now
    ) -> Provisioner | None:
        """Make the provisioner that the settings name; None where they name none.

        Args:
            config: The settings file.
            clock: The time now, UTC.

        Raises:
            SettingsError: A setting is missing or wrong, or contradicts another.
        """
        settings = load("provisioning", ProvisioningSettings, config)
        if not settings.template:
            return None
        outbox = load("outbox", OutboxSettings, config)
        device = load("device", DeviceSettings, config)
        if not outbox.endpoint:
            raise SettingsError("[provisioning] template also needs [outbox] endpoint")
        if settings.certificate is None or settings.private_key is None:
            raise SettingsError(
                "[provisioning] template also needs certificate and private_key, of the claim"
            )
        for key in ("thing", "certificate", "private_key"):
            if getattr(device, key):
                raise SettingsError(
                    f"[device] {key} and [provisioning] template: a device is given its "
                    "certificate by hand, or it is provisioned; take one of the two out"
                )
        return cls(settings, outbox, device, clock)

    @property
    def provisioned(self) -> Provisioned | None:
        """What this device was provisioned as; None where it is not yet."""
        return read_provisioned(self._current)

    def is_due(self) -> bool:
        """Whether this device has no certificate of its own, or it should be renewed now."""
        if self._renew_at is None:
            self._renew_at = self._renewal_time()
        return self._renew_at is None or self._clock() >= self._renew_at

    @property
    def has_spare_claim(self) -> bool:
        """Whether the claim is still here although it was to be removed after its use."""
        return (
            self._settings.erase_claim
            and self.provisioned is not None
            and self._next.folder is None
            and any(path.exists() for path in self._claim())
        )

    def erase_spare_claim(self) -> None:
        """Remove the claim where that is still to be done, as after a power cut."""
        if self.has_spare_claim:
            self._erase_claim()

    def ends(self) -> datetime | None:
        """When this device's certificate ends; None where it has none."""
        found = self._certificate()
        return found.not_valid_after_utc if found is not None else None

    def run(self, *, renew: bool = False, again: bool = False) -> Provisioned:
        """Provision this device, or renew its certificate; nothing is done where neither is due.

        Args:
            renew: Renew it although it is not due.
            again: Renew it with the claim, as where AWS IoT takes this device's own no longer.

        Raises:
            ProvisioningError: AWS IoT rejects this device, or its answer cannot be used.
            TransportError: The broker cannot be reached, or refuses a certificate.
            OutboxError: Another process is using this device's connection.
            ShelfError: The data folder cannot be used.
        """
        with self._lock():
            self._renew_at = None
            if renew or again or self.is_due():
                self._provision(again=again)
                self._renew_at = None
            self._erase_claim()
            found = self.provisioned
            assert found is not None
            return found

    def _provision(self, *, again: bool) -> None:
        registered = self._next.registered()
        if registered is not None and not again:
            try:
                self._change_over(registered)
                return
            except TransportError:
                self._refusals += 1
                if self._refusals < MAX_REFUSALS:
                    raise
        with self._exchange(with_claim=again) as exchange:
            # The broker answers: where it went on refusing the new certificate, begin again.
            self._refusals = 0
            requested = self._next.requested() if registered is None else None
            if requested is not None and requested.serial != self._serial():
                requested = None  # the setting was changed since
            try:
                provisioned = self._register(exchange, requested or self._request(exchange))
            except RejectedError:
                if requested is None:
                    raise
                # The token was from before the power went, and may have ended.
                provisioned = self._register(exchange, self._request(exchange))
        self._change_over(provisioned)

    def _request(self, exchange: Exchange) -> Requested:
        serial = self._serial()
        return self._next.add_certificate(
            exchange.create_certificate(self._next.begin(serial)), serial
        )

    def _register(self, exchange: Exchange, requested: Requested) -> Provisioned:
        answer = exchange.register_thing(requested.token, requested.serial)
        former = self.provisioned
        if former is not None and former.thing != answer.thing_name:
            raise ProvisioningError(
                f"AWS IoT names this device {answer.thing_name!r} now, and it is {former.thing!r}; "
                "was the template changed?"
            )
        provisioned = Provisioned(
            thing=answer.thing_name,
            serial=requested.serial,
            certificate_id=requested.certificate_id,
            former=former.certificate_id if former is not None else "",
        )
        self._next.add_thing(provisioned)
        return provisioned

    def _change_over(self, provisioned: Provisioned) -> None:
        """Connect with the new certificate; only then does it take the place of the old one."""
        folder = self._next.folder
        assert folder is not None
        address = self._address(provisioned.thing, folder / CERTIFICATE, folder / PRIVATE_KEY)
        transport = MqttTransport(address)
        try:
            transport.open(CallbackQueue())
        finally:
            transport.close()
        self._next.take_over()
        self._made_at = self._clock()
        log.info("this device is %s at %s now", provisioned.thing, address)

    @contextmanager
    def _exchange(self, *, with_claim: bool) -> Iterator[Exchange]:
        """Connect with this device's own certificate while it is valid, else with the claim's."""
        current, ends = self.provisioned, self.ends()
        is_valid = current is not None and ends is not None and self._clock() < ends
        if current is not None and is_valid and not with_claim:
            address = self._address(
                current.thing, self._current / CERTIFICATE, self._current / PRIVATE_KEY
            )
            with open_exchange(address, self._settings.template) as exchange:
                yield exchange
            return
        claim, private_key = self._claim()
        address = self._address(f"{CLAIM}{self._serial()}", claim, private_key)
        try:
            with open_exchange(address, self._settings.template) as exchange:
                yield exchange
        except TransportError as error:
            raise TransportError(f"with the claim certificate {claim}: {error}") from error

    def _address(self, client: str, certificate: Path, private_key: Path) -> BrokerAddress:
        ca = self._device.ca.expanduser() if self._device.ca else None
        outbox = self._outbox
        return BrokerAddress(outbox.endpoint, outbox.port, client, certificate, private_key, ca)

    def _serial(self) -> str:
        """The serial number: the one that was named before, else the setting's or machine's."""
        former = self.provisioned
        if former is not None:
            return former.serial
        return self._settings.serial or machine_serial() or device_id(self._device.folder)

    def _certificate(self) -> x509.Certificate | None:
        if self.provisioned is None:
            return None
        try:
            return x509.load_pem_x509_certificate((self._current / CERTIFICATE).read_bytes())
        except (OSError, ValueError):
            return None

    def _renewal_time(self) -> datetime | None:
        """When this device's certificate is to be renewed; None where it has none."""
        found = self._certificate()
        if found is None:
            return None
        begins, ends = found.not_valid_before_utc, found.not_valid_after_utc
        share = (ends - begins) * LARGEST_SHARE
        due = ends - min(timedelta(days=self._settings.renew_days), share)
        if self._settings.max_age_days:
            made = max(begins, self._made_at or begins)
            due = min(due, made + timedelta(days=self._settings.max_age_days))
        return due

    def _claim(self) -> tuple[Path, Path]:
        """The claim's certificate and private key."""
        certificate, private_key = self._settings.certificate, self._settings.private_key
        assert certificate is not None
        assert private_key is not None
        return certificate.expanduser(), private_key.expanduser()

    def _erase_claim(self) -> None:
        """Remove the claim's files where that is asked for; a failure is logged, no more."""
        if not self._settings.erase_claim:
            return
        for path in self._claim():
            try:
                if path.exists():
                    path.unlink()
                    durable.flush_folder(path.parent)
                    log.info("%s: the claim is removed", path)
            except OSError as error:
                log.error("%s: the claim cannot be removed: %s", path, error.strerror)

    @contextmanager
    def _lock(self) -> Iterator[None]:
        """Let no other process of this device connect meanwhile: the broker would end one."""
        state = self._device.state
        try:
            durable.make_private_folder(state)
            with locked(state / LOCK):
                yield
        except BlockingIOError as error:
            raise OutboxError(
                "'visual-search sync run' is connected, and renews by itself; stop it first"
            ) from error
        except OSError as error:
            raise ShelfError(f"{state}: cannot be used: {error}") from error
