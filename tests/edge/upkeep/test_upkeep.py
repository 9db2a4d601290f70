"""`visual-search backup`, `restore` and `report`."""

from __future__ import annotations

import io
import sqlite3
import stat
import tarfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from catalog.core.errors import ContentError, SurroundingsError
from catalog.core.findings import Finding
from catalog.core.settings import DeviceSettings, device_id
from edge.upkeep.backup import back_up, restore
from edge.upkeep.report import public_settings, without_secrets, write_report
from visual_search.command import command

SETTINGS = """
[device]
private_key = "{folder}/device.key"
[edge]
camera = "rtsp://user:hunter2@camera/stream?token=hidden"
"""


class Device:
    """A device's settings and data in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.settings = folder / "etc" / "visual-search" / "visual-search.toml"
        self.section = DeviceSettings(data_dir=folder / "data")

    @property
    def taught(self) -> Path:
        return self.section.state / "taught" / "taught.db"

    def fill(self) -> str:
        """Make all that a used device has; returns its id."""
        identity = device_id(self.section.folder)
        self.settings.parent.mkdir(parents=True)
        self.settings.write_text(SETTINGS.format(folder=self.settings.parent))
        (self.settings.parent / "device.pem").write_text("-----BEGIN CERTIFICATE-----")
        (self.settings.parent / "device.key").write_text("-----BEGIN PRIVATE KEY-----")
        self.taught.parent.mkdir(parents=True)
        (self.section.state / "staff-pin").write_text("a hash")
        (self.section.state / "edge.json").write_text("{}")
        (self.section.shelf / "versions").mkdir(parents=True)
        (self.section.shelf / "versions" / "vectors.npy").write_bytes(b"large")
        return identity


@pytest.fixture
def old(tmp_path: Path) -> Device:
    return Device(tmp_path / "old")


@pytest.fixture
def new(tmp_path: Path) -> Device:
    return Device(tmp_path / "new")


def test_a_new_device_becomes_the_old_one(old: Device, new: Device, tmp_path: Path) -> None:
    identity = old.fill()
    writer = sqlite3.connect(old.taught)  # the device runs meanwhile
    writer.execute("pragma journal_mode = wal")
    writer.execute("create table items (title)")
    writer.execute("insert into items values ('hex bolt')")
    writer.commit()
    archive = tmp_path / "shop.tar.gz"
    names = back_up(old.section, old.settings, archive)
    assert stat.S_IMODE(archive.stat().st_mode) == 0o600
    assert "data/device-id" in names
    assert not [name for name in names if "shelf" in name or name.endswith((".key", "-wal"))]
    done = restore(new.section, new.settings, archive)
    assert set(done.files) == set(names)
    assert done.missing == (f"[device] private_key: {old.settings.parent}/device.key",) or (
        not done.missing  # the old folder is still on this machine
    )
    assert device_id(new.section.folder) == identity
    assert new.settings.read_text() == old.settings.read_text()
    assert (new.section.state / "staff-pin").read_text() == "a hash"
    with sqlite3.connect(new.taught) as reader:
        assert reader.execute("select title from items").fetchall() == [("hex bolt",)]
    reader.close()
    writer.close()


@pytest.mark.parametrize(
    ("settings", "has_catalogue", "said"),
    [
        ("", False, "next: visual-search catalog activate BUNDLE"),
        ('[sync]\nsource = "s3://shop/c"\n', False, "next: visual-search sync once"),
        ("", True, "next: nothing; this device has a catalogue"),
    ],
)
def test_what_comes_after_a_restore_is_said(
    settings: str, has_catalogue: bool, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VISUAL_SEARCH_DEVICE__DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setattr("edge.setup.services.UNIT", tmp_path / "no-unit")
    file, archive = tmp_path / "visual-search.toml", tmp_path / "shop.tar.gz"
    file.write_text(settings)
    saved = CliRunner().invoke(command, ["--config", str(file), "backup", str(archive)])
    assert "the catalogue is not in it" in saved.output
    if has_catalogue:
        (tmp_path / "data" / "shelf" / "versions" / "one").mkdir(parents=True)
        (tmp_path / "data" / "shelf" / "active").symlink_to("versions/one")
    done = CliRunner().invoke(command, ["--config", str(file), "restore", str(archive)])
    assert said in done.output
    assert ("no setup is needed" in done.output) is ("BUNDLE" not in said)


@pytest.mark.parametrize(("had", "starts"), [("yes", True), ("no", False), ("unknown", False)])
def test_the_screen_is_put_back_as_it_was(
    had: str, starts: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A browser of one's own has kiosk = true, too; and one that was enabled by hand stays."""
    monkeypatch.setenv("VISUAL_SEARCH_DEVICE__DATA_DIR", str(tmp_path / "data"))
    file, asked, archive = (tmp_path / name for name in ("v.toml", "asked", "shop.tar.gz"))
    file.write_text(f"[edge]\nkiosk = {'false' if had == 'unknown' else 'true'}\n")
    systemctl = tmp_path / "systemctl"
    code = 0 if had == "yes" else 1
    systemctl.write_text(
        f'#!/bin/sh\necho "$@" >> {asked}\ncase "$*" in *is-enabled*) exit {code};; esac\n'
    )
    systemctl.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    monkeypatch.setattr("edge.setup.services.RUNNING", tmp_path)
    monkeypatch.setattr("edge.setup.services.UNIT", systemctl)
    monkeypatch.setattr("edge.setup.services.SCREEN", {"sh": "sh"})
    if had == "unknown":  # as of an earlier version
        with tarfile.open(archive, "w:gz") as out:
            info = tarfile.TarInfo("backup.json")
            info.size = 13
            out.addfile(info, io.BytesIO(b'{"format": 1}'))
    else:
        CliRunner().invoke(command, ["--config", str(file), "backup", str(archive)])
    done = CliRunner().invoke(command, ["--config", str(file), "restore", str(archive)])
    assert done.exit_code == 0, done.output
    told = asked.read_text()
    assert "disable --now visual-search-kiosk" not in told
    assert (" visual-search-kiosk.service" in told.partition("--quiet start")[2]) is starts
    assert (" visual-search-kiosk.service" in told.partition("--quiet enable")[2]) is starts


def test_what_is_missing_is_said_also_where_the_services_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VISUAL_SEARCH_DEVICE__DATA_DIR", str(tmp_path / "data"))
    file, asked = tmp_path / "visual-search.toml", tmp_path / "asked"
    file.write_text(
        f'[edge]\nkey = "{tmp_path}/gone.key"\ncertificate = "page.pem"\nkiosk = true\n'
    )
    systemctl = tmp_path / "systemctl"
    systemctl.write_text(
        f'#!/bin/sh\necho "$@" >> {asked}\ncase "$*" in *" start "*edge*) exit 1;; esac\n'
    )
    systemctl.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    monkeypatch.setattr("edge.setup.services.RUNNING", tmp_path)
    monkeypatch.setattr("edge.setup.services.UNIT", systemctl)
    monkeypatch.setattr("edge.setup.services.SCREEN", {"no-such": "no-such-program"})
    archive = str(tmp_path / "shop.tar.gz")
    CliRunner().invoke(command, ["--config", str(file), "backup", archive])
    done = CliRunner().invoke(command, ["--config", str(file), "restore", archive])
    assert isinstance(done.exception, SurroundingsError)
    assert (
        f"bring this private key, too, which no backup holds: [edge] key: {tmp_path}/gone.key"
        in (done.output)
    )
    assert "the screen stays dark: run 'apt-get install no-such'" in done.output
    assert "next: " in done.output
    assert asked.read_text().splitlines()[-1] == "--quiet start visual-search.target"


def test_a_private_key_that_is_missing_is_named(old: Device, new: Device, tmp_path: Path) -> None:
    old.fill()
    back_up(old.section, old.settings, tmp_path / "a.tar.gz")
    (old.settings.parent / "device.key").unlink()
    done = restore(new.section, new.settings, tmp_path / "a.tar.gz")
    assert done.missing == (f"[device] private_key: {old.settings.parent}/device.key",)


def test_an_archive_is_never_overwritten(old: Device, tmp_path: Path) -> None:
    (tmp_path / "a.tar.gz").touch()
    with pytest.raises(ContentError, match=r"a.tar.gz: is there already; name another"):
        back_up(old.section, old.settings, tmp_path / "a.tar.gz")


@pytest.mark.parametrize(
    "name",
    ["data/../../etc/passwd", "/etc/passwd", "settings/a/b", "data/shelf/active", "other", "data",
     "data/state/../device-id", "data/state/edge.json"],
)  # fmt: skip
def test_nothing_else_is_written(name: str, new: Device, tmp_path: Path) -> None:
    archive = tmp_path / "a.tar.gz"
    with tarfile.open(archive, "w:gz") as out:
        for entry, content in (
            ("backup.json", b'{"format": 1}'),
            ("data/device-id", b"x"),
            (name, b"x"),
        ):
            info = tarfile.TarInfo(entry)
            info.size = len(content)
            out.addfile(info, io.BytesIO(content))
    with pytest.raises(ContentError, match="is in no backup"):
        restore(new.section, new.settings, archive)
    assert not new.folder.exists()


def test_beside_settings_in_a_folder_of_the_system_nothing_is_touched(
    old: Device, new: Device, tmp_path: Path
) -> None:
    old.fill()
    archive = tmp_path / "a.tar.gz"
    back_up(old.section, old.settings, archive)
    system = new.folder / "etc"
    system.mkdir(parents=True)
    (system / "device.pem").write_text("of the system")
    done = restore(new.section, system / "visual-search.toml", archive)
    assert done.left == ("settings/device.pem",)
    assert "settings/visual-search.toml" in done.files
    assert (system / "device.pem").read_text() == "of the system"
    names = back_up(new.section, system / "visual-search.toml", tmp_path / "b.tar.gz")
    assert set(names) == set(done.files)


@pytest.mark.parametrize(
    "link", ["data/state/taught", "data/state", "etc/visual-search/device.pem"]
)
def test_links_are_followed_neither_way(
    link: str, old: Device, new: Device, tmp_path: Path
) -> None:
    old.fill()
    sqlite3.connect(old.taught).close()
    archive, elsewhere = tmp_path / "a.tar.gz", tmp_path / "elsewhere"
    back_up(old.section, old.settings, archive)
    (new.folder / link).parent.mkdir(parents=True)
    (new.folder / link).symlink_to(elsewhere)
    with pytest.raises(ContentError, match=f"{link} is a symbolic link"):
        restore(new.section, new.settings, archive)
    assert not new.settings.exists()
    (old.folder / link).rename(elsewhere)
    (old.folder / link).symlink_to(elsewhere)
    with pytest.raises(ContentError, match=f"{link} is a symbolic link"):
        back_up(old.section, old.settings, tmp_path / "b.tar.gz")
    assert not (tmp_path / "b.tar.gz").exists()


def test_a_link_in_an_archive_is_refused(new: Device, tmp_path: Path) -> None:
    archive = tmp_path / "a.tar.gz"
    with tarfile.open(archive, "w:gz") as out:
        info = tarfile.TarInfo("backup.json")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        out.addfile(info)
    with pytest.raises(ContentError, match="is in no backup"):
        restore(new.section, new.settings, archive)


@pytest.mark.parametrize("content", [b"", b"no archive", b"\x1f\x8b\x08\x00"])
def test_what_is_no_archive_is_refused(content: bytes, new: Device, tmp_path: Path) -> None:
    (tmp_path / "a.tar.gz").write_bytes(content)
    with pytest.raises(ContentError, match="is no backup of a device"):
        restore(new.section, new.settings, tmp_path / "a.tar.gz")


def test_a_report_has_no_secrets(old: Device, tmp_path: Path) -> None:
    old.fill()
    asked: list[list[str]] = []

    def run(arguments: list[str]) -> str:
        asked.append(arguments)
        return "opening rtsp://user:hunter2@camera/stream?token=hidden\n"

    archive = tmp_path / "report.tar.gz"
    finding = Finding("camera", "wrong", "rtsp://user:hunter2@camera/ is away")
    names = write_report(old.section, old.settings, [finding], archive, run)
    assert stat.S_IMODE(archive.stat().st_mode) == 0o600
    with tarfile.open(archive) as found:
        assert found.getnames() == names
        texts = {name: found.extractfile(name).read().decode() for name in names}  # type: ignore[union-attr]
    whole = "\n".join(texts.values())
    for secret in ("hunter2", "hidden", "a hash", "BEGIN", "user:"):
        assert secret not in whole, secret
    assert 'camera = "rtsp://camera/stream"\n' in texts["settings.toml"]
    assert "shelf/versions/vectors.npy" in texts["files.txt"]
    assert "large" not in whole
    assert "is away" in texts["doctor.json"]
    assert [arguments[0] for arguments in asked] == ["journalctl", "systemctl", "dmesg"]


def test_a_report_is_made_of_what_is_there(new: Device, tmp_path: Path) -> None:
    names = write_report(new.section, None, [], tmp_path / "r.tar.gz", lambda arguments: "")
    assert "about.json" in names


def test_a_report_follows_no_link(new: Device, tmp_path: Path) -> None:
    (tmp_path / "shadow").write_text("of the system")
    new.section.state.mkdir(parents=True)
    (new.section.state / "edge.json").symlink_to(tmp_path / "shadow")
    write_report(new.section, None, [], tmp_path / "r.tar.gz", lambda arguments: "")
    with tarfile.open(tmp_path / "r.tar.gz") as found:
        text = found.extractfile("state/edge.json").read().decode()  # type: ignore[union-attr]
    assert "edge.json is a symbolic link" in text
    assert "of the system" not in text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("pin = 481526", 'pin = "***"'),
        ('  broker_password="x" # old', '  broker_password="***"'),
        ("-----BEGIN EC PRIVATE KEY-----\nabc\n-----END EC PRIVATE KEY-----", "***"),
        ("http://camera/?user=a&pass=b now", "http://camera/?*** now"),
        ("rtsp://a:b@c/ and http://d:e@f/", "rtsp://***@c/ and http://***@f/"),
        ("port = 8080", "port = 8080"),
        ("rtsp://admin:p@ssw0rd@10.0.0.5/live", "rtsp://***@10.0.0.5/live"),
        ("rtsp://a:p'/\"s@h/live is away", "rtsp://***@h/live is away"),
        ("rtsp://a:pass word@h/live", "rtsp://***@h/live"),
        ("rtsp://h/user=admin&password=abc/ is away", "rtsp://h/*** is away"),
        ("http://h:80/live 200; mail a@b.c", "http://h:80/live 200; mail a@b.c"),
    ],
)
def test_what_is_secret(text: str, shown: str) -> None:
    assert without_secrets(text) == shown


def test_settings_are_shown_without_secrets_however_they_are_written(tmp_path: Path) -> None:
    file = tmp_path / "visual-search.toml"
    file.write_text(
        """
        # hidden
        edge = { webhook_secret = "hidden", webhook = "https://u:hidden@shop.example/hidden" }
        sync = { source = "s3://bucket/prefix" }
        [page]
        "the pin" = "hidden"
        token = ""
        broker_password = '''
        first
        hidden'''
        [outbox]
        addresses = ["rtsp://h/user=a&password=hidden/", 'rtsp://a:hi@h/"d hidden@h/live']
        port = 8883
        """
    )
    shown, hidden = public_settings(file)
    assert "hidden" not in shown
    for text in ("https://shop.example/***", "s3://bucket/prefix", "rtsp://h/...", "port = 8883"):
        assert text in shown
    assert hidden["https://u:hidden@shop.example/hidden"] == "https://shop.example/***"
    assert "" not in hidden


def test_of_settings_that_cannot_be_read_nothing_is_shown(tmp_path: Path) -> None:
    file = tmp_path / "visual-search.toml"
    file.write_text("[edge]\nwebhook_secret = hidden\n")
    shown, _ = public_settings(file)
    assert "not TOML" in shown
    assert "hidden" not in shown


def test_the_newest_root_is_a_link_and_is_put_back(
    old: Device, new: Device, tmp_path: Path
) -> None:
    old.fill()
    for device, content in ((old, "newer"), (new, "older")):  # as the trust in channels keeps it
        history = device.section.folder / "trust" / "root_history"
        history.mkdir(parents=True)
        (history / "1.root.json").write_text(content)
        (history.parent / "root.json").symlink_to("root_history/1.root.json")
    names = back_up(old.section, old.settings, tmp_path / "shop.tar.gz")
    assert "data/trust/root.json" in names
    restore(new.section, new.settings, tmp_path / "shop.tar.gz")
    trust = new.section.folder / "trust"
    assert (trust / "root.json").read_text() == "newer"
    assert (trust / "root_history" / "1.root.json").read_text() == "older"
