"""`visual-search setup`: from one file, its services, its label, and what it leaves alone."""

from __future__ import annotations

import os
import re
import stat
import tomllib
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from catalog.core.errors import SettingsError, VisualSearchError
from catalog.core.findings import Finding
from catalog.core.settings import device_id
from catalog.core.state import SyncState, write_sync_state
from edge.cli import setup as module
from edge.settings import EdgeSettings
from edge.setup import first_catalogue, services
from edge.setup.answers import read_answers
from edge.setup.apply import give_to_owner
from edge.setup.first_check import first_check
from edge.setup.label import Label
from edge.web.staff.pin import StaffPin
from tests.edge.setup.conftest import PIN, STOPPED, photos_in, run

LATER = "'visual-search sync status' says whether the newest one is here"


def test_one_file_on_a_stick_sets_everything_up(stick: Path, device: Path) -> None:
    done = run("--from", stick)
    assert done.exit_code == 0, done.output
    settings = device / "etc" / "visual-search" / "visual-search.toml"
    found = tomllib.loads(settings.read_text())
    assert "setup" not in found
    assert PIN not in settings.read_text()
    assert found["edge"] == {
        "camera": "rtsp://user:secret@camera/stream", "lan": True, "name": "corner",
        "port": 8099, "kiosk": True,
    }  # fmt: skip
    assert "# The shop at the corner." in settings.read_text()
    for section, key in (("sync", "root"), ("device", "certificate"), ("device", "private_key")):
        file = Path(found[section][key])
        assert file.read_text() == (stick / file.name).read_text()
        assert file.parent == settings.parent
    for file in settings.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    assert (settings.parent / "kiosk.env").read_text() == "PAGE=http://localhost:8099/\n"
    StaffPin(device / "data" / "state").check(PIN, here=True)
    assert "http://corner.local:8099/" in done.output
    assert "it is there" in done.output
    assert "secret" not in done.output
    printed = (stick / "label.html").read_text()
    assert "Corner shop" in printed
    assert device_id(device / "data") in printed
    assert "data:image/svg" in printed
    assert "<p>http://corner.local:8099/</p>" in printed


def test_it_may_be_run_again(stick: Path, device: Path) -> None:
    assert run("--from", stick).exit_code == 0
    identity = device_id(device / "data")
    file = stick / "visual-search.toml"
    file.write_text(file.read_text().replace('"Corner shop"', '"Other shop"'))
    assert run("--from", file).exit_code == 0
    assert device_id(device / "data") == identity
    assert "Other shop" in (device / "etc" / "visual-search" / "visual-search.toml").read_text()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (('lan = true', 'lan = "perhaps"'), r"visual-search.toml, \[edge\] lan: .*boolean"),
        (('lan = true', 'host = "192.0.2.2"'),
         r"\[edge\] host: at 192.0.2.2 the device's own screen does not find its page"),
        (('"root.json"', '"rot.json"'), r"\[sync\] root: there is no file .*rot.json"),
        (("[page]", "[pages]"), r"no section \[pages\]; did you mean page\?"),
        (("screen = true", "screens = true"), r"\[setup\] screens: Extra inputs"),
        (("screen = true", 'catalogue = "shop"'), r"\[setup\] catalogue: .*shop: no such file"),
        (("screen = true", 'catalogue = "."'), r"\[setup\] catalogue: .*stick: no pictures in it"),
        (('"Corner shop"', "Corner shop"), r"not TOML: .*look at name: text stands in quotation"),
        (("lan = true", "lan = yes"), r"toml: not TOML: .*look at lan: write true or"),
        ((f'"{PIN}"', '"123456"'), "easy to guess"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_and_nothing_is_changed(
    changed: tuple[str, str], message: str, stick: Path, device: Path
) -> None:
    file = stick / "visual-search.toml"
    file.write_text(file.read_text().replace(*changed))
    done = run("--from", stick)
    assert isinstance(done.exception, VisualSearchError)
    assert re.search(message, str(done.exception)), done.exception
    assert not (device / "etc").exists()


def test_the_file_that_the_docs_show_is_right(device: Path) -> None:
    page = (Path(__file__).parents[3] / "docs" / "install.md").read_text()
    block = re.search(r"^```toml\n(.*?)^```", page, re.M | re.S)
    assert block is not None
    (device / "root.json").touch()
    (device / "visual-search.toml").write_text(block[1])
    answers = read_answers(device / "visual-search.toml", Path("/etc/visual-search"))
    assert answers.setup.screen
    assert answers.catalogue == device / "photos"
    assert answers.edge.name == "corner-shop"
    assert answers.files == {"root.json": device / "root.json"}


def test_an_absent_stick_is_named(device: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read: No such file"):
        read_answers(device / "stick" / "visual-search.toml", device)


@pytest.mark.parametrize(
    ("programs", "screen"), [(["cage", "chromium", "seatd", "Xwayland"], True), ([], False)]
)
def test_the_services_start_that_have_something_to_do(
    programs: list[str],
    screen: bool,
    stick: Path,
    systemd: Path,
    device: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", f"{device / 'bin'}:/bin")
    if not programs:
        monkeypatch.setattr("edge.setup.services.SCREEN", {"no-such-package": "no-such-program"})
    for name in programs:
        (device / "bin" / name).symlink_to("/bin/true")
    done = run("--from", stick)
    assert done.exit_code == 0, done.output
    kiosk = "visual-search-kiosk.service"
    wanted = "visual-search.target visual-search-edge.service visual-search-sync.service"
    wanted += f" {kiosk}" if screen else ""  # and the stick names a source
    assert systemd.read_text().splitlines() == [
        STOPPED,
        f"--quiet enable {wanted}",
        *([] if screen else [f"--quiet disable --now {kiosk}"]),
        f"--quiet start {wanted}",
    ]
    assert ("the screen stays dark: run 'sudo apt-get install" in done.output) is not screen


@pytest.mark.parametrize(
    ("ended", "words"),
    [
        (SyncState(outcome="installed", message="release 7 is active"), "release 7 is active"),
        (SyncState(outcome="offline", message="no network"),
         "it did not come: no network; the device tries again by itself"),
        (None, f"nothing more was heard of it; {LATER}"),
        (KeyboardInterrupt(), LATER),
    ],
)  # fmt: skip
def test_it_says_how_the_first_check_ended_and_last_what_is_wrong(
    ended: SyncState | KeyboardInterrupt | None,
    words: str,
    stick: Path,
    systemd: Path,
    device: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also where somebody does not wait for its end."""

    def pause(_: float) -> None:
        if isinstance(ended, KeyboardInterrupt):
            raise ended
        if ended is not None:
            now = {"checked_at": datetime.now(UTC)}
            write_sync_state(device / "data" / "state", ended.model_copy(update=now))

    monkeypatch.setattr(module, "first_check", partial(first_check, pause=pause))
    wrong = [Finding("camera", "wrong", "it is away")]
    monkeypatch.setattr(module, "examine", lambda config: wrong)
    done = run("--from", stick)
    assert done.exit_code == 0, done.output
    assert done.output.splitlines()[-4:] == [
        "catalogues come from s3://bucket/catalogues",
        "looking for the newest one; Ctrl-C does not stop the device from that",
        words,
        "still wrong, camera: it is away",
    ]


def test_a_failed_setup_leaves_the_services_as_they_were(
    stick: Path, systemd: Path, device: Path
) -> None:
    (device / "data").mkdir()
    (device / "data" / "state").symlink_to(device)
    assert run("--from", stick).exit_code == 1
    assert systemd.read_text().splitlines()[-1] == "--quiet start visual-search.target"


def test_while_a_code_is_read_the_camera_is_free(systemd: Path) -> None:
    """Whether it is read or not."""
    for may_fail in (False, True):
        with suppress(SettingsError), services.paused():
            if may_fail:
                raise SettingsError("no code")
    assert systemd.read_text().splitlines() == [
        STOPPED, "--quiet start visual-search.target",
    ] * 2  # fmt: skip


def test_a_pin_that_is_refused_stops_nothing(
    stick: Path, systemd: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And no catalogue is built before."""
    photos_in(stick)
    file = stick / "visual-search.toml"
    changed = file.read_text().replace(PIN, "123456")
    file.write_text(changed.replace("[setup]", '[setup]\ncatalogue = "photos"'))
    monkeypatch.setattr(first_catalogue, "program", lambda: ["/absent"])
    refused = str(run("--from", stick).exception)
    assert "visual-search.toml, [setup] pin: This PIN is easy to guess" in refused
    assert not systemd.exists()


@pytest.mark.parametrize(
    ("values", "place"),
    [
        ({}, "localhost:8080/"),
        ({"lan": True, "port": 81, "prefix": "/search"}, "localhost:81/search/"),
        ({"host": "0.0.0.0"}, "localhost:8080/"),
        ({"host": "127.0.0.1"}, "localhost:8080/"),
        ({"host": "192.168.1.5"}, "192.168.1.5:8080/"),
        ({"host": "192.168.1.5", "lan": True}, "192.168.1.5:8080/"),
        ({"host": "fd00::5"}, "[fd00::5]:8080/"),
        ({"host": "kiosk.example"}, "kiosk.example:8080/"),
    ],
)
def test_programs_on_the_device_find_its_page(values: dict[str, object], place: str) -> None:
    assert EdgeSettings.model_validate(values).own_page == f"http://{place}"


def test_a_folder_without_a_file_says_what_to_do(stick: Path, device: Path) -> None:
    below = str(run("--from", device).exception)
    assert f"no file visual-search.toml is in it; name the folder {stick}, which" in below
    (stick / "visual-search.toml").unlink()
    none = str(run("--from", stick).exception)
    assert "no file visual-search.toml is in it; run 'sudo visual-search setup' without" in none


def test_where_only_the_device_opens_its_page_the_label_has_no_address(
    device: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once the network may, the label is made again; run beside `install`, it is kept there."""
    settings = device / "etc" / "visual-search" / "visual-search.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text(f'[device]\ndata_dir = "{device / "data"}"\n')
    monkeypatch.chdir(device)
    refused = run("--label")
    assert "no device is set up here" in str(refused.exception)
    assert not (device / "data").exists()  # no identity was made, which clones would share
    device_id(device / "data")
    alone = run("--label")
    assert "http://localhost:8080/" in alone.output
    assert "the label has no address and no QR code, because only this device" in alone.output
    printed = (device / "data" / "label.html").read_text()
    assert "data:image" not in printed
    assert "localhost" not in printed, "it leads nowhere but on the device itself"
    for name in ("install", "visual-search_1+deb12_amd64.deb"):
        (device / name).touch()
    settings.write_text(settings.read_text() + "[edge]\nlan = true\n")
    seen = run("--label")
    assert "QR code" not in seen.output
    assert f"to print: {device}/label.html" in seen.output
    assert "data:image/svg" in (device / "label.html").read_text()


def test_a_label_is_written_through_no_link(stick: Path, device: Path) -> None:
    (device / "other").write_text("of the system")
    (stick / "label.html").symlink_to(device / "other")
    assert run("--from", stick).exit_code == 0
    assert (device / "other").read_text() == "of the system"
    assert "Corner shop" in (stick / "label.html").read_text()


def test_a_pin_is_written_through_no_link(stick: Path, device: Path) -> None:
    (device / "data").mkdir()
    (device / "data" / "state").symlink_to(device / "bin")
    assert "state is a symbolic link" in str(run("--from", stick).exception)
    assert not (device / "bin").exists()


def test_in_a_folder_of_the_system_no_file_of_it_is_replaced(
    stick: Path, device: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VISUAL_SEARCH_CONFIG", str(device / "etc" / "visual-search.toml"))
    (device / "etc").mkdir()
    (device / "etc" / "root.json").write_text("of the system")
    refused = run("--from", stick)
    assert "root.json is there already" in str(refused.exception)
    assert os.listdir(device / "etc") == ["root.json"]
    assert not (device / "data").exists()
    (device / "etc" / "root.json").unlink()
    assert run("--from", stick).exit_code == 0
    assert not (device / "etc" / "kiosk.env").exists()


def test_root_gives_away_only_what_is_roots(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    owners = {tmp_path: 7, tmp_path / "a": 0, tmp_path / "a" / "new": 0, tmp_path / "other": 8}
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "new").touch()
    (tmp_path / "other").touch()
    (tmp_path / "etc").symlink_to("/etc")
    by_number = {path.stat().st_ino: owner for path, owner in owners.items()}
    real, given = os.stat, []

    def stat_of(path: object, **options: object) -> os.stat_result:
        found = real(path, **options)  # type: ignore[arg-type]
        return os.stat_result([*found[:4], by_number.get(found.st_ino, 8), 9, *found[6:]])

    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(os, "stat", stat_of)
    monkeypatch.setattr(os, "chown", lambda name, user, group, **_: given.append((name, user)))
    give_to_owner(tmp_path)
    assert given == [("a", 7), ("new", 7)]
    given.clear()
    by_number[real(tmp_path).st_ino] = 0  # as /etc is root's
    give_to_owner(tmp_path)
    assert given == []


def test_a_label_in_the_data_folder_is_its_owners(
    device: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VISUAL_SEARCH_DEVICE__DATA_DIR", str(device / "data"))
    device_id(device / "data")
    given: list[Path] = []
    monkeypatch.setattr(module, "give_to_owner", given.append)
    settings = device / "etc" / "visual-search" / "visual-search.toml"
    settings.parent.mkdir(parents=True)
    settings.touch()
    assert run("--label").exit_code == 0
    assert (device / "data" / "label.html").exists()
    assert given == [device / "data"]


def test_a_label_escapes_the_shops_name() -> None:
    assert "<h1>A &lt;b&gt; &amp; C</h1>" in Label("A <b> & C", "http://a.local:8080/", "id").page()
