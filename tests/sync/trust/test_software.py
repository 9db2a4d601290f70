"""A release's folder is verified to its last file, and what is wrong is named."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from securesystemslib.dsse import Envelope

from catalog.core.errors import VisualSearchError
from sync.errors import ExpiredError, ForgedError, ReleaseError, RolledBackError
from sync.software.install import target
from sync.trust import software
from sync.trust.keys import KeyFolder
from tests.conftest import Surroundings
from tests.support.repository import secret
from tests.support.stub_release import write_release
from visual_search.command import command

WHEEL = f"wheels/{target()}/visual_search-9.0.0-py3-none-any.whl"


@pytest.fixture
def keys(key_folder: Path, tmp_path: Path) -> KeyFolder:
    return KeyFolder(Path(shutil.copytree(key_folder, tmp_path / "keys")), secret)


@pytest.fixture
def release(keys: KeyFolder, tmp_path: Path) -> Path:
    write_release(tmp_path / "release", "9.0.0", keys)
    return tmp_path / "release"


def test_a_release_is_as_signed(keys: KeyFolder, tmp_path: Path) -> None:
    signed = write_release(tmp_path / "release", "9.0.0", keys)
    found = software.verify(tmp_path / "release", keys.roots[1])
    assert found == signed
    assert found.version == "9.0.0"
    assert found.id.startswith("9.0.0-")
    assert list(found.wheels) == [WHEEL]
    assert set(found.files) == {WHEEL, "CHANGELOG.md"}


def change(file: Path) -> None:
    content = file.read_bytes()
    file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


@pytest.mark.parametrize(
    ("tamper", "named"),
    [
        (lambda folder: change(folder / WHEEL), f"{WHEEL} is not what was signed"),
        (lambda folder: (folder / WHEEL).write_bytes(b""), f"{WHEEL} is not what was signed"),
        (lambda folder: (folder / WHEEL).unlink(), f"{WHEEL} is missing"),
        (lambda folder: (folder / "wheels/evil-1-py3-none-any.whl").write_bytes(b""),
         "wheels/evil-1-py3-none-any.whl is not on the list"),
        (lambda folder: (folder / "wheels/evil").symlink_to("/etc"),
         "wheels/evil is not on the list"),
        (lambda folder: shutil.move(folder / WHEEL, folder / "x"), f"{WHEEL} is missing"),
    ],
)  # fmt: skip
def test_a_changed_file_is_named(
    release: Path, keys: KeyFolder, tamper: Callable[[Path], object], named: str
) -> None:
    tamper(release)
    with pytest.raises(ForgedError, match=named.replace("+", r"\+")):
        software.verify(release, keys.roots[1])


def test_a_linked_file_is_refused(release: Path, keys: KeyFolder, tmp_path: Path) -> None:
    """What it leads to may change after it was verified."""
    shutil.move(release / WHEEL, tmp_path / "elsewhere")
    (release / WHEEL).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ForgedError, match="is missing"):
        software.verify(release, keys.roots[1])


def resign(release: Path, change: Callable[[dict[str, object]], object]) -> None:
    """Change the list behind its signature."""
    envelope = json.loads((release / "signed-list.json").read_bytes())
    content = json.loads(Envelope.from_dict(json.loads(json.dumps(envelope))).payload)
    change(content)
    changed = Envelope(json.dumps(content).encode(), software.PAYLOAD_TYPE, {}).to_dict()
    envelope["payload"] = changed["payload"]
    (release / "signed-list.json").write_text(json.dumps(envelope))


def test_a_changed_list_is_refused(release: Path, keys: KeyFolder) -> None:
    resign(release, lambda content: content.update(version="9.9.9"))
    with pytest.raises(ForgedError, match="not signed by the owner's publisher key"):
        software.verify(release, keys.roots[1])


def test_another_owners_release_is_refused(release: Path, keys: KeyFolder, tmp_path: Path) -> None:
    stranger = KeyFolder.create(tmp_path / "stranger", secret)
    write_release(release, "9.0.0", stranger)
    with pytest.raises(ForgedError, match="not signed by the owner's publisher key"):
        software.verify(release, keys.roots[1])


@pytest.mark.parametrize("payload_type", ["application/vnd.in-toto+json", ""])
def test_what_was_signed_as_something_else_is_refused(
    release: Path, keys: KeyFolder, payload_type: str
) -> None:
    file = release / "signed-list.json"
    envelope = Envelope.from_dict(json.loads(file.read_bytes()))
    other = Envelope(envelope.payload, payload_type, {})
    other.sign(keys.signers("publisher")[0])
    file.write_text(json.dumps(other.to_dict()))
    with pytest.raises(ForgedError, match="signed as something else"):
        software.verify(release, keys.roots[1])


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"payload": "?", "payloadType": 1, "signatures": {}}', "[" * 99999]
)
def test_nonsense_is_refused(release: Path, keys: KeyFolder, content: str) -> None:
    (release / "signed-list.json").write_text(content)
    with pytest.raises((ForgedError, ReleaseError)):
        software.verify(release, keys.roots[1])


@pytest.mark.parametrize(
    "name", ["../evil", "/etc/passwd", "wheels/../../evil", "wheels//evil", ".hidden", "a\nb", ""]
)
def test_no_name_leads_out_of_the_folder(name: str) -> None:
    entry = {"bytes": 0, "sha256": "0" * 64}
    content = {"format": 1, "version": "1.0.0", "files": {name: entry}}
    with pytest.raises(ReleaseError, match="is no name for a file"):
        software.parse_list(json.dumps(content).encode(), "list")


@pytest.mark.parametrize("content", [b"{", b"[" * 100_000, b"\xff"])
def test_what_is_no_list_is_named(content: bytes) -> None:
    with pytest.raises(ReleaseError, match=r"^list: no list of a release: "):
        software.parse_list(content, "list")


def test_a_list_may_be_as_large_as_is_allowed(
    release: Path, keys: KeyFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = (release / software.LIST).stat().st_size
    monkeypatch.setattr(software, "LARGEST_MANIFEST", size)
    assert software.verify(release, keys.roots[1]).version == "9.0.0"
    monkeypatch.setattr(software, "LARGEST_MANIFEST", size - 1)
    with pytest.raises(ReleaseError, match=f"{software.LIST}: too large for a list"):
        software.verify(release, keys.roots[1])


def test_a_release_that_cannot_be_read_is_named(release: Path, keys: KeyFolder) -> None:
    with pytest.raises(ReleaseError, match=f"it has no {software.LIST}"):
        software.verify(release / "wheels", keys.roots[1])
    (release / "roots" / "2.root.json").mkdir()
    with pytest.raises(ReleaseError, match=f"^{release}: cannot be read: .*Is a directory"):
        software.verify(release, keys.roots[1])


@pytest.mark.parametrize("version", ["1.0", "1.0.0rc1", "../1.0.0", "1.0.0\n", "1.0.0000000"])
def test_a_version_is_three_numbers(version: str) -> None:
    content = {"format": 1, "version": version, "files": {}}
    with pytest.raises(ReleaseError, match="version"):
        software.parse_list(json.dumps(content).encode(), "list")


def test_a_later_format_asks_for_an_update() -> None:
    with pytest.raises(ReleaseError, match="format 2 is not known; update"):
        software.parse_list(b'{"format": 2}', "list")


def test_a_device_with_the_first_root_follows_to_new_keys(release: Path, keys: KeyFolder) -> None:
    newer = keys.rotate({"publisher"}).rotate({"offline"})
    write_release(release, "9.0.0", newer)
    assert software.verify(release, keys.roots[1]).version == "9.0.0"


def test_a_replaced_key_signs_nothing_any_more(release: Path, keys: KeyFolder) -> None:
    """The thief leaves the new root out of the folder; who has seen it is not deceived."""
    newer = keys.rotate({"publisher"})
    assert software.verify(release, keys.roots[1]).version == "9.0.0"
    with pytest.raises(ForgedError, match="not signed by the owner's publisher key"):
        software.verify(release, newer.roots[2])


def test_a_root_that_was_not_signed_by_the_former_is_refused(
    release: Path, keys: KeyFolder, tmp_path: Path
) -> None:
    stranger = KeyFolder.create(tmp_path / "stranger", secret).rotate(set())
    (release / "roots" / "2.root.json").write_bytes(stranger.roots[2])
    with pytest.raises(ForgedError, match=r"2\.root\.json: not signed by the owner"):
        software.verify(release, keys.roots[1])


def test_roots_are_followed_one_by_one(keys: KeyFolder, tmp_path: Path) -> None:
    """The root keys stay, so each root is signed by what the first one trusts."""
    third = keys.rotate({"online"}).rotate({"publisher"})
    (tmp_path / "2.root.json").write_bytes(third.roots[3])
    with pytest.raises(ForgedError, match=r"2\.root\.json: is root 3"):
        software.followed(keys.roots[1], tmp_path)
    (tmp_path / "2.root.json").write_bytes(third.roots[2])
    (tmp_path / "3.root.json").write_bytes(third.roots[3])
    assert software.followed(keys.roots[1], tmp_path) == third.roots[3]


def test_a_root_lasts_ten_years(release: Path, keys: KeyFolder) -> None:
    ends = keys.root.expires
    assert ends > datetime.now(UTC) + timedelta(days=3649)
    before = ends - timedelta(seconds=1)
    assert software.verify(release, keys.roots[1], lambda: before).version == "9.0.0"
    with pytest.raises(ExpiredError, match="the owner's root 1 was valid until"):
        software.verify(release, keys.roots[1], lambda: ends)


@pytest.mark.parametrize(
    ("present", "is_older"),
    [
        ("9.0.0", False),
        ("9.0.0rc1", False),
        ("8.9.9", False),
        ("9.0.1", True),
        ("10.0.0", True),
        ("9.1.0", True),
    ],
)
def test_an_older_release_is_refused(
    release: Path, keys: KeyFolder, present: str, *, is_older: bool
) -> None:
    found = software.verify(release, keys.roots[1])
    if is_older:
        with pytest.raises(RolledBackError, match=rf"release 9\.0\.0 is older than {present}"):
            software.check_not_older(found, present, "installed here")
    else:
        software.check_not_older(found, present, "installed here")


def test_a_root_for_one_command_is_not_kept(
    release: Path, keys: KeyFolder, surroundings: Surroundings, tmp_path: Path
) -> None:
    """Else a look at somebody's release would change whom this device trusts."""
    root = str(keys.folder / "root.json")
    done = CliRunner().invoke(command, ["verify-release", str(release), "--root", root])
    assert done.exit_code == 0
    assert not (surroundings.data / "root.json").exists()
    done = CliRunner().invoke(command, ["verify-release", str(release)])
    assert "[sync] root: not set" in str(done.exception)


def test_a_device_that_saw_newer_keys_refuses_what_the_old_ones_signed(
    release: Path, keys: KeyFolder, surroundings: Surroundings
) -> None:
    """Also where the release's folder leaves the newer roots out."""
    history = surroundings.data / "trust" / "root_history"
    history.mkdir(parents=True)
    (surroundings.data / "root.json").write_bytes(keys.roots[1])
    newer = keys.rotate({"publisher"})
    (history / "2.root.json").write_bytes(newer.roots[2])
    done = CliRunner().invoke(command, ["verify-release", str(release)])
    assert "not signed by the owner's publisher key" in str(done.exception)


def test_the_command_says_what_is_wrong(
    release: Path, keys: KeyFolder, surroundings: Surroundings
) -> None:
    root = str(keys.folder / "root.json")
    done = CliRunner().invoke(command, ["verify-release", str(release), "--root", root])
    assert "release 9.0.0, 2 files as signed" in done.output
    write_release(release, "0.0.1", keys)
    done = CliRunner().invoke(command, ["verify-release", str(release), "--root", root])
    assert isinstance(done.exception, VisualSearchError)
    assert "release 0.0.1 is older than" in str(done.exception)
