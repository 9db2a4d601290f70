"""The owner's code: what it says, what it may say, and how it is shown."""

from __future__ import annotations

import tomllib
from hashlib import sha256
from pathlib import Path

import cv2
import pytest
import zxingcpp
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as some

from catalog.core.errors import SettingsError, VisualSearchError
from sync.cli.keys import keys as keys_command
from sync.owner_code import owner_code, read_owner_code

DIGEST = sha256(b"{}").hexdigest()
RIGHT = f'[sync]\nsource = "s3://shop/c"\nroot_sha256 = "{DIGEST}"\n'


def test_a_device_reads_what_the_owner_made() -> None:
    code = owner_code(b"{}", source="s3://shop/c", channel="stable", region="")
    assert code == RIGHT, "what holds anyway is left out"
    assert read_owner_code(code) == {"source": "s3://shop/c", "root_sha256": DIGEST}
    others = {"channel": "store-42", "endpoint_url": "https://minio.example", "region": "eu-west-1"}
    code = owner_code(b"{}", source="file:///srv/a b", **others)
    assert tomllib.loads(code)["sync"] == read_owner_code(code)
    assert read_owner_code(code).items() >= others.items()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("http://shop.example/item/1", "no code of a catalogue's owner"),
        ("", "no code of a catalogue's owner"),
        ("sync = 1", "no code of a catalogue's owner"),
        (f"{RIGHT}[edge]\nlan = true\n", "no code of a catalogue's owner"),
        (RIGHT + "#" * 1000, "no code of a catalogue's owner"),
        (f"{RIGHT}share = true\n", "has share, which no code may set"),
        ('[sync]\nsource = "s3://shop/c"\n', "lacks root_sha256"),
        (f'[sync]\nroot_sha256 = "{DIGEST}"\n', "lacks source"),
        (RIGHT.replace(DIGEST, DIGEST[1:]), "the owner's code, root_sha256: String should match"),
        (RIGHT.replace("s3:", "ftp:"), "ftp://shop/c is neither s3://BUCKET/PREFIX nor file"),
        (RIGHT.replace("shop/c", "shop/\\u202ec"), "characters in it that cannot be shown"),
        (f'{RIGHT}"\\u001b[2J" = 1\n', "has \\x1b[2J, which no code may set"),
        (f'{RIGHT}endpoint_url = "minio:9000"\n', "minio:9000 is no http or https address"),
        (f'{RIGHT}channel = "../x"\n', "the owner's code, channel: "),
        (f"{RIGHT}channel = 7\n", "the owner's code, channel: Input should be a valid string"),
    ],
)
def test_what_is_wrong_with_a_code_is_said(text: str, said: str) -> None:
    with pytest.raises(SettingsError) as refused:
        read_owner_code(text)
    assert said in str(refused.value)


@given(some.text(max_size=60) | some.text("[]sync=\"'{}.\n", max_size=60))
def test_no_text_is_taken_for_one(text: str) -> None:
    with pytest.raises(SettingsError):
        read_owner_code(text)


def run(key_folder: Path, *arguments: str | Path) -> Result:
    words = ["code", "s3://shop/c", "--keys", key_folder, *arguments]
    return CliRunner().invoke(keys_command, list(map(str, words)))


def test_the_owner_shows_it_or_prints_it(key_folder: Path, tmp_path: Path) -> None:
    expected = owner_code((key_folder / "root.json").read_bytes(), source="s3://shop/c")
    shown = run(key_folder)
    assert shown.exit_code == 0, shown.output
    assert shown.output.endswith(f"{expected}\n")
    assert "▀" in shown.output
    picture = tmp_path / "code.png"
    done = run(key_folder, "--out", picture)
    assert f"{picture}: written" in done.output
    [found] = zxingcpp.read_barcodes(cv2.imread(str(picture)))
    assert found.text == expected
    assert run(key_folder, "--out", tmp_path / "code.svg").exit_code == 0
    assert "<svg" in (tmp_path / "code.svg").read_text()


def test_a_terminal_of_few_characters_gets_the_text(key_folder: Path) -> None:
    done = CliRunner(charset="latin-1").invoke(
        keys_command, ["code", "s3://shop/c", "--keys", str(key_folder)]
    )
    assert done.exit_code == 0, done.output
    assert done.output.startswith("[sync]\n")


def test_what_the_owner_cannot_have_is_said(key_folder: Path, tmp_path: Path) -> None:
    assert "ends in .svg or .png" in run(key_folder, "--out", tmp_path / "code.gif").output
    with pytest.raises(SettingsError, match="too long: a code may have 1000 characters"):
        owner_code(b"{}", source=f"s3://shop/{'c' * 1000}")
    for wrong, said in (
        (run(key_folder, "--out", tmp_path / "absent" / "code.svg"), "cannot be written: No such"),
        (run(tmp_path / "nobody"), "root.json: cannot be read: No such file"),
    ):
        assert isinstance(wrong.exception, VisualSearchError)
        assert said in str(wrong.exception)
