"""`visual-search setup`: by questions, from one file, and sealed for cloning."""

from __future__ import annotations

import os
import re
import shutil
import stat
import sys
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from catalog.bundles.shelf import Shelf
from catalog.core.errors import SettingsError, VisualSearchError
from catalog.core.findings import Finding
from catalog.core.settings import DeviceSettings, device_id
from edge.cameras import CameraInfo, CameraMode
from edge.cli import setup as module
from edge.settings import EdgeSettings
from edge.setup import first_catalogue, questions, services
from edge.setup.answers import read_answers
from edge.setup.apply import give_to_owner, label, seal
from edge.web.staff.pin import StaffPin
from sync.settings import ProvisioningSettings
from visual_search.command import command

PIN = "481526"
STOPPED = "--quiet stop " + " ".join(
    f"visual-search-{name}.service" for name in ("kiosk", "edge", "sync")
)


@pytest.fixture
def device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A device without services, whose settings and data lie in this folder."""
    monkeypatch.delenv("VISUAL_SEARCH_DEVICE__DATA_DIR", raising=False)
    monkeypatch.setenv(
        "VISUAL_SEARCH_CONFIG", str(tmp_path / "etc" / "visual-search" / "visual-search.toml")
    )
    monkeypatch.setattr("edge.setup.services.UNIT", tmp_path / "no-unit")
    monkeypatch.setattr(module, "examine", lambda config: [Finding("camera", "ok", "it is there")])
    monkeypatch.setattr(questions, "list_cameras", list)
    monkeypatch.setattr(questions, "install_folders", list)
    return tmp_path


@pytest.fixture
def stick(device: Path) -> Path:
    folder = device / "stick"
    folder.mkdir()
    (folder / "root.json").write_text("{}")
    (folder / "device.key").write_text("a key")
    (folder / "device.pem").write_text("a certificate")
    (folder / "visual-search.toml").write_text(
        f"""
# The shop at the corner.
[setup]
pin = "{PIN}"
screen = true

[device]
data_dir = "{device / "data"}"
certificate = "device.pem"
private_key = "device.key"

[edge]
camera = "rtsp://user:secret@camera/stream"
lan = true
name = "corner"
port = 8099

[page]
name = "Corner shop"
language = "de"

[sync]
source = "s3://bucket/catalogues"
root = "root.json"
"""
    )
    return folder


def run(*arguments: str | Path, answers: str = "") -> Result:
    return CliRunner().invoke(command, ["setup", *map(str, arguments)], input=answers)


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
    assert "<svg" in printed


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
        (('"Corner shop"', "Corner shop"), r"not TOML"),
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


@pytest.mark.slow
def test_the_catalogue_comes_from_the_stick(stick: Path, device: Path, small_bundle: Path) -> None:
    shutil.copytree(small_bundle, stick / "shop.bundle")
    file = stick / "visual-search.toml"
    file.write_text(file.read_text().replace("[setup]", '[setup]\ncatalogue = "shop.bundle"'))
    assert run("--from", stick).exit_code == 0
    assert Shelf(device / "data" / "shelf").active() is not None


@pytest.fixture
def builder(device: Path, small_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program that builds the same bundle of all; the file keeps what it was asked."""
    asked = device / "asked-to-build"
    program = device / "program"
    program.write_text(
        f'#!/bin/sh\ncat "$2" > {asked}; echo "$@" >> {asked}\n'
        f'[ -e "$5" ] && cp -r {small_bundle} "$7" && echo \'{{"items": 6, "photos": 24}}\'\n'
    )
    program.chmod(0o755)
    monkeypatch.setattr(first_catalogue, "program", lambda: [str(program)])
    return asked


def photos_in(folder: Path) -> Path:
    """A folder of photos, which nobody opens."""
    photos = folder / "photos"
    for name in ("cup", "bolt"):
        (photos / name).mkdir(parents=True)
        (photos / name / "1.jpg").touch()
    return photos


@pytest.mark.slow
def test_the_catalogue_is_built_of_photos_on_the_stick(
    stick: Path, device: Path, builder: Path
) -> None:
    photos, file = photos_in(stick), stick / "visual-search.toml"
    changed = file.read_text().replace("[setup]", '[setup]\ncatalogue = "photos"')
    file.write_text(changed + '\n[catalog]\nengine = "onnxruntime"\n')
    done = run("--from", stick)
    assert done.exit_code == 0, done.output
    assert f"building the catalogue on this device from {photos}" in done.output
    assert "the catalogue has 6 items and 24 photos" in done.output
    assert Shelf(device / "data" / "shelf").active() is not None
    told = builder.read_text()
    assert tomllib.loads(told.partition("--config")[0]) == {"catalog": {"engine": "onnxruntime"}}
    built = device / "data" / first_catalogue.BUILT
    assert told.endswith(f"catalog build {photos} --out {built} --json\n")
    assert not built.exists()
    assert sorted(path.name for path in photos.iterdir()) == ["bolt", "cup"]


def test_a_catalogue_that_cannot_be_built_changes_nothing(
    stick: Path, device: Path, systemd: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos_in(stick)
    monkeypatch.setattr(first_catalogue, "program", lambda: ["false"])
    file = stick / "visual-search.toml"
    file.write_text(file.read_text().replace("[setup]", '[setup]\ncatalogue = "photos"'))
    assert "no catalogue could be built of it" in str(run("--from", stick).exception)
    assert not (device / "etc").exists()
    assert not systemd.exists()


@pytest.mark.slow
def test_what_lies_beside_install_is_offered(
    device: Path, builder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what is no catalogue is asked for again."""
    monkeypatch.setattr("edge.setup.answers.DEFAULT_DATA", str(device / "data"))
    folder = device / "usb" / "device"
    photos = photos_in(folder)
    (folder / "debian").mkdir()
    for name in ("install", "visual-search_1+deb12_amd64.deb", "notes.txt"):
        (folder / name).touch()
    found = first_catalogue.install_folders([device / "usb", device / "absent"])
    assert found == [folder]
    monkeypatch.setattr(questions, "install_folders", lambda: found)
    replies = ["http://camera/", "n", "", "browser", "n", PIN, "", "/absent", "", "none"]
    done = run(answers="".join(f"{reply}\n" for reply in replies))
    assert done.exit_code == 0, done.output
    assert f"a folder of photos, or a table [{photos}]:" in done.output
    assert "Error: /absent: no such file or folder" in done.output
    assert Shelf(device / "data" / "shelf").active() is not None


def test_all_that_lies_beside_install_is_found(tmp_path: Path) -> None:
    """Of two places none is offered."""
    photos_in(tmp_path)
    for name in ("install", "visual-search_1+deb12_amd64.deb"):
        (tmp_path / name).touch()
    (tmp_path / "items.csv").write_text("sku,title,photo\n1,cup,photos/cup/1.jpg\n")
    (tmp_path / "prices.csv").write_text("sku,title,photo\n1,cup,\n")
    (tmp_path / "shop.bundle").mkdir()
    (tmp_path / "shop.bundle" / "manifest.json").touch()
    found = first_catalogue.beside_install([tmp_path, tmp_path / "photos"])
    assert [path.name for path in found] == ["items.csv", "photos", "shop.bundle"]


@pytest.mark.parametrize(("user", "is_launcher"), [(0, True), (990, False)])
def test_root_builds_as_the_user_of_the_services(
    user: int, is_launcher: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "launcher").touch()
    monkeypatch.setattr(first_catalogue, "LAUNCHER", tmp_path / "launcher")
    monkeypatch.setattr(os, "geteuid", lambda: user)
    assert first_catalogue.program()[:2] == [sys.executable, "-P"]  # nothing of the stick's is run
    monkeypatch.setattr(sys, "prefix", "/opt/visual-search/0.2.0+deb12")
    expected = str(tmp_path / "launcher") if is_launcher else sys.executable
    assert first_catalogue.program()[0] == expected


@pytest.fixture
def systemd(device: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file with what systemctl was asked, where the package's services are installed."""
    asked = device / "asked"
    (device / "bin").mkdir()
    systemctl = device / "bin" / "systemctl"
    systemctl.write_text(f'#!/bin/sh\necho "$@" >> {asked}\n')
    systemctl.chmod(0o755)
    monkeypatch.setenv("PATH", f"{device / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setattr("edge.setup.services.RUNNING", device)
    monkeypatch.setattr("edge.setup.services.UNIT", systemctl)
    monkeypatch.setattr("edge.setup.services.page_answers", lambda address: "")
    return asked


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


def test_a_failed_setup_leaves_the_services_as_they_were(
    stick: Path, systemd: Path, device: Path
) -> None:
    (device / "data").mkdir()
    (device / "data" / "state").symlink_to(device)
    assert run("--from", stick).exit_code == 1
    assert systemd.read_text().splitlines()[-1] == "--quiet start visual-search.target"


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


def test_by_questions(device: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.setup.answers.DEFAULT_DATA", str(device / "data"))
    replies = ["http://camera/", "y", "counter", "My shop", "fr", "n", "", "none", "file"]
    done = run(answers="".join(f"{reply}\n" for reply in replies))
    assert done.exit_code == 0, done.output
    page = (Path(__file__).parents[3] / "docs" / "install.md").read_text()
    questions_there = re.findall(
        r"^\| ([A-Z][^|]*?)\?? \| ", page.partition("`setup` asks:")[2], re.M
    )
    assert len(questions_there) >= 9
    for question in questions_there[:9]:  # what the docs say is what it asks
        assert question in done.output
    found = tomllib.loads((device / "etc" / "visual-search" / "visual-search.toml").read_text())
    assert found["edge"] == {"camera": "http://camera/", "lan": True, "name": "counter"}
    assert found["page"] == {"name": "My shop", "language": "fr"}
    assert found["outbox"] == {"transport": "file"}
    assert "<svg" in (device / "data" / "label.html").read_text()
    told = re.search(r"the staff's PIN is (\d{6})", done.output)
    assert told is not None
    StaffPin(device / "data" / "state").check(told[1], here=True)
    again = run(answers="".join(f"{reply}\n" for reply in replies))
    assert again.exit_code == 0, again.output
    assert "empty keeps the one that is set" in again.output
    StaffPin(device / "data" / "state").check(told[1], here=True)


def test_a_second_time_enter_keeps_what_holds(
    device: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also the settings for which nothing is asked."""
    monkeypatch.setattr("edge.setup.answers.DEFAULT_DATA", str(device / "data"))
    wrong = ["no-camera", "htp:/x", "My counter", "x" * 61]  # each is asked for again
    replies = [*wrong[:2], "rtsp://u:secret@camera/live", "y", wrong[2], "counter", wrong[3]]
    replies += ["My shop", "fr"]
    first = run(answers="".join(f"{reply}\n" for reply in [*replies, "y", "", "none", "file"]))
    assert first.exit_code == 0, first.output
    assert "Error: camera 'no-camera': no such device, video file or folder" in first.output
    assert "Error: 'My counter' is not a name for the network: it may have" in first.output
    assert "Error: String should have at most 60 characters" in first.output
    settings = device / "etc" / "visual-search" / "visual-search.toml"
    (settings.parent / "logo.svg").touch()
    changed = settings.read_text().replace("[page]", '# of the sign\n[page]\nlogo = "logo.svg"')
    settings.write_text(changed.replace("[edge]", "[edge]\nrotate = 180"))
    (device / "data" / "shelf" / "versions" / "one").mkdir(parents=True)
    (device / "data" / "shelf" / "active").symlink_to("versions/one")
    before = tomllib.loads(settings.read_text())
    before["page"]["logo"] = str(settings.parent / "logo.svg")
    again = run(answers="\n" * 9)
    assert again.exit_code == 0, again.output
    assert tomllib.loads(settings.read_text()) == before
    assert "# of the sign" in settings.read_text()
    assert "secret" not in again.output
    for offered in (
        "[rtsp://camera/live]",
        "[Y/n]",
        "[counter]",
        "[My shop]",
        "[fr]",
        "own screen? [Y/n]",
        "keep, and the one that is there stays; from a stick",
        "[keep]",
        "[file]",
    ):
        assert offered in again.output
    dark = run(answers="\n\n\n\n\nn\n\n\n\n")
    assert dark.exit_code == 0, dark.output
    assert "kiosk" not in tomllib.loads(settings.read_text())["edge"]
    bright = run(answers="\n\n\n\n\ny\n\n\n\n")
    assert bright.exit_code == 0, bright.output
    assert tomllib.loads(settings.read_text()) == before


@pytest.mark.parametrize("name", ["secret.pem", "../secret.pem"])
def test_of_what_the_settings_name_already_nothing_is_copied(
    device: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """The services' own user may write there what it may not read, and wait for root."""
    monkeypatch.chdir(device)
    for secret in (device / "secret.pem", device.parent / "secret.pem"):
        secret.write_text("secret")
    settings = device / "etc" / "visual-search" / "visual-search.toml"
    settings.parent.mkdir(parents=True)
    (settings.parent / "root.json").symlink_to(device / "secret.pem")
    settings.write_text(
        f'[device]\ndata_dir = "{device / "data"}"\nca = "{name}"\n[edge]\n'
        'camera = "simulated"\n[sync]\nsource = "s3://bucket/c"\nroot = "root.json"\n'
    )
    done = run(answers="\n\n\n\n\n\naddress\n\n\n\n")
    assert done.exit_code == 0, done.output
    found = tomllib.loads(settings.read_text())
    assert found["device"]["ca"] == str(settings.parent / name)
    assert found["sync"]["root"] == str(settings.parent / "root.json")
    assert (settings.parent / "root.json").is_symlink()
    there = {file.name for file in settings.parent.iterdir()}
    assert there == {"root.json", "kiosk.env", settings.name}


def test_a_channel_and_a_claim_stay(device: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another answer takes them out."""
    settings = device / "etc" / "visual-search" / "visual-search.toml"
    settings.parent.mkdir(parents=True)
    (settings.parent / "root.json").write_text("{}")
    text = (
        f'[device]\ndata_dir = "{device / "data"}"\n[edge]\ncamera = "simulated"\n'
        '[sync]\nsource = "s3://bucket/c"\nroot = "root.json"\n[provisioning]\n'
        'template = "fleet"\ncertificate = "/gone.pem"\nprivate_key = "/gone.key"\n'
        '[outbox]\ntransport = "mqtt"\nendpoint = "broker.example.com"\n'
    )
    settings.write_text(text)
    expected = tomllib.loads(text)
    done = run(answers="\n" * 9)
    assert done.exit_code == 0, done.output
    found = tomllib.loads(settings.read_text())
    assert found["sync"] == {"source": "s3://bucket/c", "root": str(settings.parent / "root.json")}
    assert "it goes on coming from its address" in done.output
    assert "[mqtt-by-claim]" in done.output
    assert (found["provisioning"], found["outbox"]) == (
        expected["provisioning"],
        expected["outbox"],
    )
    address = "address\nbucket/c\n\n/absent\n\n"  # Enter takes the one that is there
    moved = run(answers="\n" * 6 + address + "\n\n")
    assert moved.exit_code == 0, moved.output
    assert "Error: bucket/c is neither s3://BUCKET/PREFIX nor file:///FOLDER" in moved.output
    assert "Error: there is no file /absent" in moved.output
    assert tomllib.loads(settings.read_text())["sync"] == found["sync"]
    settings.write_text(settings.read_text().replace('"mqtt"', '"file"'))
    into_files = run(answers="\n" * 8)
    assert "[file]" in into_files.output
    assert tomllib.loads(settings.read_text())["provisioning"] == found["provisioning"]
    assert run(answers="\n" * 6 + "none\nnone\n").exit_code == 0
    found = tomllib.loads(settings.read_text())
    assert (found["sync"], found["outbox"]["transport"]) == ({}, "none")
    assert "provisioning" not in found


def test_of_settings_that_are_wrong_nothing_is_offered(
    device: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.setup.answers.DEFAULT_DATA", str(device / "data"))
    settings = device / "etc" / "visual-search" / "visual-search.toml"
    settings.parent.mkdir(parents=True)
    for wrong in ("[edge]\nprot = 1\n", "[edge\n"):
        settings.write_text(wrong)
        done = run(answers="\n" * 8)
        assert done.exit_code == 0, done.output
        assert "of the settings that are there nothing is kept, as they are wrong" in done.output
        assert tomllib.loads(settings.read_text())["edge"]["camera"] == "/dev/video0"


def test_cameras_are_a_list_where_there_are_some(
    device: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A PIN that is easy to guess is asked for again."""
    monkeypatch.setattr("edge.setup.answers.DEFAULT_DATA", str(device / "data"))
    none = run(answers="\n" * 5 + f"123456\n{PIN}\n\n\n")
    assert none.exit_code == 0, none.output
    assert "no camera is connected to this machine now; the first one" in none.output
    assert "A number of this list" not in none.output
    assert "Error: This PIN is easy to guess" in none.output
    StaffPin(device / "data" / "state").check(PIN, here=True)
    cameras = [
        CameraInfo("/dev/video2", "Eye 2", "usb-Eye", (CameraMode("MJPG", 640, 480),)),
        CameraInfo("/dev/video0", "Eye 0", problem="Permission denied"),
    ]
    monkeypatch.setattr(questions, "list_cameras", lambda: cameras)
    listed = run(answers="\n" * 9)
    assert "  1  Eye 2 (/dev/video2; MJPG 640x480)\n" in listed.output
    assert "  2  Eye 0 (/dev/video0; Permission denied)\n" in listed.output
    assert "A number of this list" in listed.output
    assert "folder of pictures [2]:" in listed.output
    other = run(answers="1\n" + "\n" * 8)
    assert other.exit_code == 0, other.output
    settings = device / "etc" / "visual-search" / "visual-search.toml"
    assert tomllib.loads(settings.read_text())["edge"]["camera"] == ("/dev/v4l/by-id/usb-Eye")
    assert "folder of pictures [1]:" in run(answers="\n" * 9).output


def test_what_the_screen_needs_is_said_where_it_is_asked_for(
    device: Path, systemd: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.setup.answers.DEFAULT_DATA", str(device / "data"))
    monkeypatch.setattr("edge.setup.services.SCREEN", {"no-such": "no-such-program"})
    done = run(answers="\n" * 4 + "y\n" + "\n" * 3)
    assert done.exit_code == 0, done.output
    said = done.output.partition("own screen? ")[0]
    assert "needs Debian packages that are not installed: no-such. It can be switched on" in said
    assert "run 'sudo apt-get install no-such' and 'sudo visual-search setup', and answer y" in said
    assert "stays dark: run 'sudo apt-get install no-such' and then 'sudo visual-search setup'" in (
        done.output
    )


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


def test_one_setup_at_a_time_builds_a_catalogue(device: Path, builder: Path) -> None:
    photos, data = photos_in(device), device / "data"
    refused = pytest.raises(VisualSearchError, match="another setup builds its catalogue here")
    with first_catalogue.bundle_of(photos, data, "") as bundle:
        with refused, first_catalogue.bundle_of(photos, data, ""):
            pass  # never reached
        assert bundle is not None
        assert bundle.is_dir()
    assert not bundle.exists()


def test_an_option_of_the_build_is_said_to_be_one(tmp_path: Path) -> None:
    table = tmp_path / "list.csv"
    table.write_text("Ware,Datei\ncup,a.jpg\n")
    with pytest.raises(VisualSearchError) as caught:
        first_catalogue.check_place(table)
    assert "say which column it is by --map" in str(caught.value)
    assert f"given to 'visual-search catalog build {table} --out BUNDLE'" in str(caught.value)


def test_a_folder_that_is_gone_or_closed_is_no_install_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "stick"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert first_catalogue.current_folder() == Path("/")

    def closed(path: Path) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "is_file", closed)
    assert not first_catalogue.is_install_folder(tmp_path)
    assert first_catalogue.beside_install([tmp_path]) == []


def test_where_only_the_device_opens_its_page_the_label_has_no_code(
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
    assert "the label has no QR code, because only this device" in alone.output
    assert "<svg" not in (device / "data" / "label.html").read_text()
    for name in ("install", "visual-search_1+deb12_amd64.deb"):
        (device / name).touch()
    settings.write_text(settings.read_text() + "[edge]\nlan = true\n")
    seen = run("--label")
    assert "QR code" not in seen.output
    assert f"to print: {device}/label.html" in seen.output
    assert "<svg" in (device / "label.html").read_text()


def test_a_folder_is_a_camera_wherever_the_services_run(
    device: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.setup.answers.DEFAULT_DATA", str(device / "data"))
    monkeypatch.chdir(device)
    (device / "pictures").mkdir()
    replies = ["pictures", "n", "", "browser", "n", PIN, "none", "none"]
    done = run(answers="".join(f"{reply}\n" for reply in replies))
    assert "a video file, or a folder of pictures" in done.output
    found = tomllib.loads((device / "etc" / "visual-search" / "visual-search.toml").read_text())
    assert found["edge"]["camera"] == str(device / "pictures")


def test_by_questions_with_a_claim(device: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The claim's files may lie anywhere; they are copied beside the settings."""
    monkeypatch.setattr("edge.setup.answers.DEFAULT_DATA", str(device / "data"))
    monkeypatch.chdir(device)
    (device / "usb").mkdir()
    files = [device / "usb" / name for name in ("claim.pem", "claim.key", "AmazonRootCA1.pem")]
    for file in files:
        file.write_text(file.name)
    where = ["mqtt-by-claim", "x-ats.iot.example.com", "fleet", *map(str, files)]
    replies = ["http://camera/", "n", "", "browser", "n", PIN, "none", *where]
    done = run(answers="".join(f"{reply}\n" for reply in replies))
    assert done.exit_code == 0, done.output
    settings = device / "etc" / "visual-search"
    found = tomllib.loads((settings / "visual-search.toml").read_text())
    assert found["outbox"] == {"transport": "mqtt", "endpoint": "x-ats.iot.example.com"}
    assert found["provisioning"] == {
        "template": "fleet",
        "certificate": str(settings / "claim.pem"),
        "private_key": str(settings / "claim.key"),
    }
    assert found["device"]["ca"] == str(settings / "AmazonRootCA1.pem")
    assert (settings / "claim.key").read_text() == "claim.key"


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
    assert "<h1>A &lt;b&gt; &amp; C</h1>" in label("A <b> & C", "id", "http://a.local:8080/")
