"""`visual-search setup` by questions: each offers what holds now."""

from __future__ import annotations

import re
import tomllib
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import segno

from catalog.bundles.shelf import Shelf
from catalog.core.errors import ContentError
from edge.cameras import CameraInfo, CameraMode, CameraSettings
from edge.setup import (
    catalogue_question,
    checked_answers,
    first_catalogue,
    owner_code_reading,
    questions,
)
from edge.setup.owner_code_reading import code_before
from edge.sighting import Image
from edge.vision.codes import matrix_texts
from edge.web.staff.pin import StaffPin
from sync.owner_code import owner_code
from tests.edge.setup.conftest import PIN, photos_in, run


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
    monkeypatch.setattr(catalogue_question, "install_folders", lambda: found)
    replies = ["http://camera/", "n", "", "browser", "n", PIN, "", "/absent", "", "none"]
    done = run(answers="".join(f"{reply}\n" for reply in replies))
    assert done.exit_code == 0, done.output
    assert f"a folder of photos, or a table [{photos}]:" in done.output
    assert "Error: /absent: no such file or folder" in done.output
    assert Shelf(device / "data" / "shelf").active() is not None


@pytest.mark.slow
def test_the_demonstration_is_offered(
    device: Path, builder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes the place of an address; a folder of that name on the stick is another thing."""
    monkeypatch.setattr("edge.setup.answers.DEFAULT_DATA", str(device / "data"))
    settings = device / "etc" / "visual-search" / "visual-search.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text('[sync]\nsource = "s3://bucket/c"\nroot = "/root.json"\n')
    replies = ["simulated:6", "n", "", "browser", "n", PIN]
    done = run(answers="".join(f"{reply}\n" for reply in [*replies, "demonstration", "none"]))
    assert done.exit_code == 0, done.output
    assert "simulated:6 draws the goods of the demonstration" in done.output
    assert "the demonstration, which is of drawn goods" in done.output
    assert "the simulated camera shows its goods by itself" in done.output
    assert tomllib.loads(settings.read_text())["sync"] == {}
    assert Shelf(device / "data" / "shelf").active() is not None
    folder = photos_in(device).rename(device / "demonstration")
    done = run(answers="\n" * 6 + f"stick\n{folder}\n\n")
    assert done.exit_code == 0, done.output
    assert f"building the catalogue on this device from {folder};" in done.output


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
    assert "data:image/svg" in (device / "data" / "label.html").read_text()
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


def test_the_owners_code_is_read_by_the_camera(
    device: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says all of where catalogues come from; what else was set of that is gone."""
    monkeypatch.setattr("edge.setup.answers.DEFAULT_DATA", str(device / "data"))
    camera, settings = device / "camera", device / "etc" / "visual-search" / "visual-search.toml"
    camera.mkdir()
    code = owner_code(b"{}", source="s3://shop/c", channel="north")
    segno.make_qr(code).save(str(camera / "0.png"), scale=4)
    settings.parent.mkdir(parents=True)
    settings.write_text('[sync]\nsource = "s3://old/c"\nroot = "/root.json"\nregion = "eu-west-1"')
    asked = ["/dev/video77", "", "", "", "", "", "code", "none", ""]
    monkeypatch.setattr(checked_answers, "check_source", lambda source: None)  # as if unplugged
    away = run(answers="".join(f"{answer}\n" for answer in asked))
    assert "no code was read: camera /dev/video77 is not there" in away.output
    assert tomllib.loads(settings.read_text())["sync"] == {"region": "eu-west-1"}
    for way in ("code", "keep"):
        asked = [str(camera), "", "", "", "", "", way, ""]
        done = run(answers="".join(f"{answer}\n" for answer in asked))
        assert done.exit_code == 0, done.output
        assert tomllib.loads(settings.read_text())["sync"] == {
            "source": "s3://shop/c", "channel": "north", "root_sha256": sha256(b"{}").hexdigest(),
        }  # fmt: skip
        assert ("read: catalogues come from s3://shop/c" in done.output) == (way == "code")
    (device / "root.json").write_text("{}")
    asked = [str(camera), "", "", "", "", "", "address", "s3://b/c", str(device / "root.json"), ""]
    other = run(answers="".join(f"{answer}\n" for answer in asked))
    assert other.exit_code == 0, other.output
    written = tomllib.loads(settings.read_text())["sync"]
    assert set(written) == {"source", "root"}, "nothing of the former owner's code stays"


@pytest.mark.parametrize(
    ("shown", "said"),
    [("http://shop.example/", "only other codes were seen"), ("", "none was seen")],
)
def test_what_is_no_owners_code_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shown: str, said: str
) -> None:
    read: list[Image] = []  # a second passes with each picture

    def read_slowly(picture: Image) -> list[str]:
        read.append(picture)
        return matrix_texts(picture)

    monkeypatch.setattr(owner_code_reading, "matrix_texts", read_slowly)
    clock = SimpleNamespace(monotonic=lambda: float(len(read)))
    monkeypatch.setattr(owner_code_reading, "time", clock)
    picture = np.full((120, 120, 3), 255, np.uint8)
    cv2.imwrite(str(tmp_path / "0.png"), picture)
    if shown:
        segno.make_qr(shown).save(str(tmp_path / "0.png"), scale=4)
    told = list[str]()
    with pytest.raises(ContentError, match=said):
        code_before(str(tmp_path), CameraSettings(), told.append, patience_s=3.0)
    assert len(told) == bool(shown), "at once, and once"
    assert not shown or "no code of a catalogue's owner" in told[0]


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


def test_in_a_terminal_the_pin_is_typed_unseen_and_twice(
    device: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.setup.answers.DEFAULT_DATA", str(device / "data"))
    monkeypatch.setattr(checked_answers, "_is_terminal", lambda: True)
    typed = [
        "123456",
        PIN,
        "481527",
        PIN,
        f"{PIN[:3]} {PIN[3:]}",
    ]  # too easy; differing; right
    done = run(answers="\n" * 5 + "".join(f"{pin}\n" for pin in typed) + "\n\n")
    assert done.exit_code == 0, done.output
    assert "Error: This PIN is easy to guess" in done.output
    assert done.output.count("Error: these two PINs differ") == 1
    assert PIN not in done.output
    StaffPin(device / "data" / "state").check(PIN, here=True)
    kept = run(answers="\n" * 9)  # Enter once
    assert kept.exit_code == 0, kept.output
    assert kept.output.count("The same PIN again") == 0
    StaffPin(device / "data" / "state").check(PIN, here=True)


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
