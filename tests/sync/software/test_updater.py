"""A device takes what the owner publishes, and always has one version that runs."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from catalog.bundles.manifest import file_digest
from catalog.core.errors import DiskFullError, ShelfError, SurroundingsError
from catalog.core.settings import DeviceSettings
from catalog.core.state import edge_state, write_edge_state
from sync.errors import ForgedError, ReleaseError, RolledBackError
from sync.settings import SyncSettings
from sync.software import appliance, updater
from sync.software.updater import SoftwareUpdater
from sync.stores.choice import open_store
from sync.trust import software
from sync.trust.keys import KeyFolder
from sync.trust.publish import Published, ReleasePublisher
from sync.trust.software import Software
from tests.support.repository import secret
from tests.support.stub_release import write_release


class KilledError(BaseException):
    """The process dies here."""


@dataclass
class Device:
    """An owner, a store, and a device whose versions are installed in no time.

    Attributes:
        folder: Where everything is.
        keys: The owner's.
        bad: Why versions fail their proof, by their number.
        proven: The versions that were started.
    """

    folder: Path
    keys: KeyFolder
    bad: dict[str, str] = field(default_factory=dict)
    proven: list[str] = field(default_factory=list)

    @property
    def updater(self) -> SoftwareUpdater:
        """As after a start."""
        settings = SyncSettings.model_validate(
            {"source": self.source, "root": self.keys.folder / "root.json"}
        )
        device = DeviceSettings(data_dir=self.folder / "data")
        return SoftwareUpdater(settings, device, None, self.install, self.prove)

    @property
    def source(self) -> str:
        return (self.folder / "store").as_uri()

    def install(self, found: Software, wheels: Mapping[str, Path], folder: Path) -> None:
        assert [file.read_bytes()[:2] for file in wheels.values()] == [b"PK"]
        folder.mkdir(parents=True)
        (folder / "installed.json").write_bytes(found.content)

    def prove(self, version: Path, config: Path | None, bundle: Path | None) -> None:
        number = version.name.partition("-")[0]
        self.proven.append(number)
        if number in self.bad:
            raise ReleaseError(self.bad[number])

    def publish(self, version: str, channel: str = "stable") -> Published:
        (self.folder / "store").mkdir(exist_ok=True)
        write_release(self.folder / "release", version, self.keys)
        publisher = ReleasePublisher(open_store(self.source), self.keys)
        return publisher.publish_software(self.folder / "release", channel)

    def put(self, version: str) -> None:
        """Install a version by hand, from its folder."""
        found = write_release(self.folder / "release", version, self.keys)
        self.updater.install_folder(self.folder / "release", found)

    def current(self) -> str:
        """The version that runs at the next start; there is always one, and it is complete."""
        current = self.updater.versions.current()
        assert current is not None
        assert (current / "installed.json").is_file()
        assert os.path.realpath(self.folder / "data/software/current") == str(current)
        return current.name.partition("-")[0]


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory, key_folder: Path) -> Path:
    """An owner whose store has 2.0.0, and a device that runs 1.0.0; read only."""
    folder = tmp_path_factory.mktemp("updater") / "world"
    shutil.copytree(key_folder, folder / "keys")
    device = Device(folder, KeyFolder(folder / "keys", secret))
    device.put("1.0.0")
    device.publish("2.0.0")
    return folder


@pytest.fixture
def device(start: Path, tmp_path: Path) -> Device:
    folder = Path(shutil.copytree(start, tmp_path / "world", symlinks=True))
    return Device(folder, KeyFolder(folder / "keys", secret))


def check(device: Device, *, may_switch: bool = True, again: bool = False) -> str:
    return device.updater.check(may_switch=may_switch, again=again).outcome


def test_a_newer_release_is_proven_before_it_runs(device: Device) -> None:
    assert device.current() == "1.0.0"
    state = device.updater.check(may_switch=True)
    assert (state.outcome, state.trial) == ("installed", None)
    assert device.current() == "2.0.0"
    assert device.proven == ["2.0.0"]
    assert list(state.releases.values()) == [1]
    assert list(device.updater.versions.incoming.iterdir()) == []
    assert check(device) == "up-to-date"
    assert device.proven == ["2.0.0"]


def test_it_waits_for_its_hour_with_all_that_it_needs(device: Device) -> None:
    state = device.updater.check(may_switch=False)
    assert state.outcome == "waiting"
    assert "takes over at 01:00-05:00" in state.message
    assert device.current() == "1.0.0"
    shutil.rmtree(device.folder / "store" / "files")
    assert check(device) == "installed"
    assert device.current() == "2.0.0"


def test_a_clock_in_the_past_knows_no_hour_and_a_person_does(
    device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(updater, "now", lambda: datetime(1970, 1, 1, 2, tzinfo=UTC))
    assert check(device) == "waiting"
    assert device.current() == "1.0.0"
    assert check(device, again=True) == "installed"


def test_only_the_current_and_the_previous_version_stay(device: Device) -> None:
    check(device)
    device.publish("3.0.0")
    check(device)
    versions = device.updater.versions
    assert {path.name.partition("-")[0] for path in versions.versions.iterdir()} == {
        "2.0.0",
        "3.0.0",
    }
    device.updater.roll_back()
    assert device.current() == "2.0.0"
    with pytest.raises(ShelfError, match="no version to go back to"):
        device.updater.roll_back()


def test_a_version_that_fails_its_proof_is_not_tried_again(device: Device) -> None:
    device.bad["2.0.0"] = "it was not healthy"
    state = device.updater.check(may_switch=True)
    assert state.outcome == "rejected"
    assert "it was not healthy" in state.message
    assert device.current() == "1.0.0"
    assert check(device) == "rejected"
    assert device.proven == ["2.0.0", "1.0.0"], "the second check did not start it"
    device.bad.clear()
    assert check(device, again=True) == "installed", "a person asked for it"
    assert device.current() == "2.0.0"


def test_a_device_on_which_nothing_runs_blames_no_release(device: Device) -> None:
    device.bad = {"1.0.0": "no memory", "2.0.0": "no memory"}
    state = device.updater.check(may_switch=True)
    assert state.outcome == "failed"
    assert "the current version fails here too" in state.message
    device.bad.clear()
    assert check(device) == "installed"


def test_the_channel_takes_no_device_back(device: Device) -> None:
    device.put("3.0.0")
    state = device.updater.check(may_switch=True)
    assert state.outcome == "rolled-back-metadata"
    assert "release 2.0.0 is older than 3.0.0, which is installed here" in state.message
    assert device.current() == "3.0.0"
    assert list(device.updater.versions.incoming.iterdir()) == []
    assert check(device, again=True) == "installed", "a person asked for it"
    assert device.current() == "2.0.0"


def test_an_older_release_is_not_published(device: Device) -> None:
    with pytest.raises(RolledBackError, match=r"1\.9\.9 is older than 2\.0\.0, which is in"):
        device.publish("1.9.9")
    assert device.publish("2.0.0").release == 2
    assert device.publish("1.9.9", "store-42").release == 1


def test_a_stick_that_changes_after_it_was_verified_is_refused(device: Device) -> None:
    found = write_release(device.folder / "release", "3.0.0", device.keys)
    wheel = next((device.folder / "release").rglob("*.whl"))
    content = wheel.read_bytes()
    wheel.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(ForgedError, match=r"\.whl is not what was signed"):
        device.updater.install_folder(device.folder / "release", found)
    assert device.current() == "1.0.0"
    assert list(device.updater.versions.incoming.iterdir()) == []


def test_what_was_verified_is_installed_whatever_the_stick_does_meanwhile(device: Device) -> None:
    def install(found: Software, wheels: Mapping[str, Path], folder: Path) -> None:
        for wheel in (device.folder / "release").rglob("*.whl"):
            wheel.write_bytes(b"another program")
        for name, file in wheels.items():
            assert file_digest(file) == found.files[name].sha256
            assert file.is_relative_to(device.folder / "data")
        folder.mkdir(parents=True)
        (folder / "installed.json").write_bytes(found.content)

    device.install = install  # type: ignore[method-assign]
    device.put("3.0.0")
    assert device.current() == "3.0.0"


def test_an_older_state_of_the_store_is_refused(device: Device) -> None:
    kept = Path(shutil.copytree(device.folder / "store", device.folder / "kept"))
    device.publish("3.0.0")
    assert check(device) == "installed"
    shutil.rmtree(device.folder / "store")
    shutil.copytree(kept, device.folder / "store")
    state = device.updater.check(may_switch=True)
    assert state.outcome == "rolled-back-metadata"
    assert device.current() == "3.0.0"


def test_an_older_list_is_refused_also_without_the_metadata(device: Device) -> None:
    """The device lost all that python-tuf keeps; its own memory of the newest release is left."""
    kept = Path(shutil.copytree(device.folder / "store", device.folder / "kept"))
    device.publish("3.0.0")
    check(device)
    trust = device.folder / "data" / "trust"
    for name in ("timestamp.json", "snapshot.json", "targets.json", "floor-of-lists"):
        (trust / name).unlink()
    floor = json.loads((trust / "floor").read_bytes())
    assert floor["releases"] == {"stable/software.json": 2}
    (trust / "floor").write_text(json.dumps(floor | {"issued": None}))
    shutil.rmtree(device.folder / "store")
    shutil.copytree(kept, device.folder / "store")
    state = device.updater.check(may_switch=True)
    assert state.outcome == "rolled-back-metadata"
    assert "release 1 of 'stable/software.json' is offered" in state.message


def test_a_tampered_wheel_in_the_store_is_refused(device: Device) -> None:
    for file in (device.folder / "store" / "files").iterdir():
        content = file.read_bytes()
        file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    state = device.updater.check(may_switch=True)
    assert state.outcome == "forged"
    assert "is not what was signed" in state.message
    assert device.current() == "1.0.0"
    assert device.proven == []


def test_a_tampered_release_is_not_published(device: Device) -> None:
    write_release(device.folder / "release", "3.0.0", device.keys)
    next((device.folder / "release").rglob("*.whl")).write_bytes(b"PK")
    publisher = ReleasePublisher(open_store(device.source), device.keys)
    with pytest.raises(ForgedError, match=r"\.whl is not what was signed"):
        publisher.publish_software(device.folder / "release", "stable")


def test_software_and_catalogues_count_apart(device: Device) -> None:
    assert device.publish("3.0.0").release == 2
    assert device.publish("3.0.0", "store-42").release == 1


def test_a_channel_without_software_is_no_trouble(device: Device) -> None:
    settings = device.updater.settings.model_copy(update={"channel": "store-42"})
    follower = device.updater
    follower.settings = settings
    assert follower.check(may_switch=True).outcome == "not-published"


def test_a_device_without_a_version_of_its_own_is_left_alone(device: Device) -> None:
    (device.folder / "data/software/current").unlink()
    state = device.updater.check(may_switch=True)
    assert state.outcome == "not-set-up"
    assert "sync software install" in state.message


def test_a_release_for_other_machines_says_so(
    device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sync.software.install.target", lambda: "cp399-riscv64")
    state = device.updater.check(may_switch=True)
    assert state.outcome == "failed"
    assert "has no wheels for cp399-riscv64; it has some for: cp3" in state.message


def test_a_full_disk_is_said_before_anything_is_fetched(
    device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage("/")
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage._replace(free=1000))
    state = device.updater.check(may_switch=True)
    assert state.outcome == "disk-full"
    assert not list(device.updater.versions.incoming.iterdir())


STEPS = ("install", "prove", "save_state", "switch", "prune", "restart", "sweep")


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_killed_at_any_step_one_version_runs_and_the_next_check_goes_on(
    device: Device, monkeypatch: pytest.MonkeyPatch, step: str, *, after: bool
) -> None:
    def killed(former: object) -> object:
        def die(*arguments: object, **named: object) -> object:
            if after:
                assert callable(former)
                former(*arguments, **named)
            raise KilledError

        return die

    with monkeypatch.context() as patch:
        dying = device.updater
        places: dict[str, tuple[object, str]] = {
            "install": (dying, "_install"),
            "prove": (dying, "_prove"),
            "save_state": (dying.versions, "save_state"),
            "switch": (dying.versions, "switch"),
            "prune": (dying.versions, "prune"),
            "restart": (appliance, "restart"),
            "sweep": (updater, "sweep"),
        }
        owner, name = places[step]
        patch.setattr(owner, name, killed(getattr(owner, name)))
        with pytest.raises(KilledError):
            dying.check(may_switch=True)
    assert device.current() in ("1.0.0", "2.0.0")
    assert device.updater.watch() is None
    assert check(device) in ("installed", "up-to-date")
    assert device.current() == "2.0.0"
    assert list(device.updater.versions.incoming.iterdir()) == []


def test_half_an_installed_version_is_no_version(device: Device) -> None:
    found = software.parse_list(
        json.dumps({"format": 1, "version": "2.0.0", "files": {}}).encode(), "list"
    )
    half = device.updater.versions.versions / found.id
    half.mkdir()
    (device.folder / "data/software/current").unlink()
    (device.folder / "data/software/current").symlink_to(f"versions/{found.id}")
    assert device.updater.versions.current() is None


# The trial: the appliance that was restarted with the new version


@pytest.fixture
def served(device: Device, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """An appliance that runs from the versions; returns the processes that were told to restart."""
    told: list[int] = []
    write_edge_state(device.folder / "data/state", edge_state("open", "bundle"))
    monkeypatch.setattr(appliance, "runs_from", lambda folder, pid: pid == os.getpid())
    monkeypatch.setattr("os.kill", lambda pid, number: told.append(pid))
    return told


@dataclass
class Clock:
    """Seconds."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def restarted(device: Device, monkeypatch: pytest.MonkeyPatch, phase: str = "open") -> None:
    """The service has started the new version: another process, which is alive."""
    state = edge_state("open", "bundle").model_copy(update={"started": 1, "phase": phase})
    write_edge_state(device.folder / "data/state", state)
    monkeypatch.setattr(
        "catalog.core.state.process_start", lambda pid: 1 if phase != "gone" else None
    )


def on_trial(device: Device, served: list[int]) -> tuple[SoftwareUpdater, Clock]:
    following, clock = device.updater, Clock()
    following._watch = appliance.TrialWatch(following._edge, clock)
    state = following.check(may_switch=True)
    assert state.trial is not None
    assert served == [os.getpid()]
    assert device.current() == "2.0.0"
    return following, clock


def test_a_trial_ends_well_after_the_soak_time(
    device: Device, served: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    following, clock = on_trial(device, served)
    assert following.watch() == "waiting"
    restarted(device, monkeypatch)
    assert following.watch() == "waiting"
    clock.now = appliance.SOAK_TIME_S - 1
    assert following.watch() == "waiting"
    clock.now = appliance.SOAK_TIME_S
    assert following.watch() == "good"
    assert following.watch() is None
    assert device.current() == "2.0.0"


@pytest.mark.parametrize("phase", ["unable", "failed"])
def test_a_version_that_is_not_well_is_left_for_the_former(
    device: Device, served: list[int], monkeypatch: pytest.MonkeyPatch, phase: str
) -> None:
    following, clock = on_trial(device, served)
    restarted(device, monkeypatch, phase)
    assert following.watch() == "waiting"
    clock.now = appliance.PATIENCE_S
    assert following.watch() == "waiting"
    clock.now = appliance.PATIENCE_S + 1
    assert following.watch() == "bad"
    assert device.current() == "1.0.0"
    state = following.versions.state()
    assert (state.outcome, state.trial) == ("gone-back", None)
    assert following.check(may_switch=True).outcome == "rejected"


def test_an_appliance_that_never_comes_back_is_noticed(device: Device, served: list[int]) -> None:
    following, clock = on_trial(device, served)
    write_edge_state(device.folder / "data/state", edge_state("stopped", "bundle"))
    assert following.watch() == "waiting"
    clock.now = appliance.PATIENCE_S + 1
    assert following.watch() == "bad"
    assert device.current() == "1.0.0"


def test_a_restart_that_was_not_told_is_told_again(
    device: Device, served: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> bool:
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(appliance, "restart", killed)
        with pytest.raises(KilledError):
            device.updater.check(may_switch=True)
    assert (device.current(), served) == ("2.0.0", [])
    assert device.updater.watch() == "waiting"
    assert served == [os.getpid()]


@pytest.mark.parametrize("step", ["save_state", "roll_back", "restart"])
def test_killed_on_the_way_back_it_arrives(
    device: Device, served: list[int], monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    following, clock = on_trial(device, served)
    restarted(device, monkeypatch, "unable")
    assert following.watch() == "waiting"
    clock.now = appliance.PATIENCE_S + 1
    owner = appliance if step == "restart" else following.versions
    former = getattr(owner, step)

    def die(*arguments: object) -> None:
        former(*arguments)
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(owner, step, die)
        with pytest.raises(KilledError):
            following.watch()
    assert device.updater.watch() == "bad"
    assert device.current() == "1.0.0"
    assert check(device) == "rejected"


def test_what_cannot_be_installed_changes_nothing(device: Device) -> None:
    def refuse(found: Software, wheels: Mapping[str, Path], folder: Path) -> None:
        folder.mkdir(parents=True)
        raise SurroundingsError("pip refuses")

    device.install = refuse  # type: ignore[method-assign]
    state = device.updater.check(may_switch=True)
    assert (state.outcome, state.message) == ("failed", "pip refuses")
    assert state.rejected == {}
    assert device.current() == "1.0.0"


def test_a_disk_that_fills_up_is_said(device: Device) -> None:
    def fill(found: Software, wheels: Mapping[str, Path], folder: Path) -> None:
        raise OSError(28, "No space left on device")

    device.install = fill  # type: ignore[method-assign]
    assert check(device) == "disk-full"
    with pytest.raises(DiskFullError):
        device.put("3.0.0")
