"""Large files from a real server: resumed, checked, from another address where one fails."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from catalog.core.download import TRIES, download
from catalog.core.errors import NetworkError, ShelfError
from tests.support.file_server import Answer, FileServer

CONTENT = np.random.default_rng(7).bytes(300_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
SIZE = len(CONTENT)
POINTER = (
    b"version https://git-lfs.github.com/spec/v1\noid sha256:"
    + SHA256.encode()
    + b"\nsize 300000\n"
)


@pytest.fixture
def server() -> Iterator[FileServer]:
    server = FileServer()
    yield server
    server.close()


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "models" / "net.onnx"


def fetch(server: FileServer, out: Path, *paths: str) -> None:
    """Fetch CONTENT from the server's paths."""
    download([server.address + path for path in paths], out, SHA256, SIZE)


def kept(out: Path) -> Path:
    return out.with_name("net.onnx.part")


def test_a_file_arrives_whole_and_progress_is_told(server: FileServer, out: Path) -> None:
    server.answers["/a"] = Answer(CONTENT)
    reported: list[int] = []
    download([f"{server.address}/a"], out, SHA256, SIZE, lambda done, total: reported.append(done))
    assert out.read_bytes() == CONTENT
    assert not kept(out).exists()
    assert reported == sorted(reported)
    assert (reported[0], reported[-1]) == (0, SIZE)


def test_a_broken_off_transfer_goes_on_where_it_ended(server: FileServer, out: Path) -> None:
    server.answers["/a"] = Answer(CONTENT, breaks=[100_000, 50_000])
    fetch(server, out, "/a")
    assert out.read_bytes() == CONTENT
    assert server.requests == [
        ("/a", None), ("/a", "bytes=100000-"), ("/a", "bytes=150000-")
    ]  # fmt: skip


def test_a_later_call_goes_on_too(server: FileServer, out: Path) -> None:
    server.answers["/a"] = Answer(CONTENT, breaks=[10_000] * TRIES)
    with pytest.raises(NetworkError, match="broke off after 40000 bytes"):
        fetch(server, out, "/a")
    assert kept(out).stat().st_size == 40_000
    assert not out.exists()
    server.requests.clear()
    fetch(server, out, "/a")
    assert out.read_bytes() == CONTENT
    assert server.requests == [("/a", "bytes=40000-")]


def test_another_address_goes_on_where_the_first_broke_off(server: FileServer, out: Path) -> None:
    server.answers["/a"] = Answer(CONTENT, breaks=[70_000, 0, 0])
    server.answers["/b"] = Answer(CONTENT)
    fetch(server, out, "/a", "/b")
    assert out.read_bytes() == CONTENT
    assert server.requests[-1] == ("/b", "bytes=70000-")


def test_a_server_without_ranges_sends_it_all_again(server: FileServer, out: Path) -> None:
    server.answers["/a"] = Answer(CONTENT, breaks=[100_000], ranges=False)
    fetch(server, out, "/a")
    assert out.read_bytes() == CONTENT


def test_a_redirect_is_followed_and_the_part_asked_for_there(server: FileServer, out: Path) -> None:
    server.answers["/a"] = Answer(redirect="/b")
    server.answers["/b"] = Answer(CONTENT, breaks=[1000])
    fetch(server, out, "/a")
    assert out.read_bytes() == CONTENT
    assert server.requests[-1] == ("/b", "bytes=1000-")


def test_a_pointer_instead_of_the_file_is_named_and_the_next_address_asked(
    server: FileServer, out: Path
) -> None:
    server.answers["/a"] = Answer(POINTER)
    with pytest.raises(NetworkError, match="Git LFS pointer instead of the file"):
        fetch(server, out, "/a")
    server.answers["/b"] = Answer(CONTENT)
    fetch(server, out, "/a", "/b")
    assert out.read_bytes() == CONTENT


def test_a_wrong_digest_is_refused_and_nothing_is_kept(server: FileServer, out: Path) -> None:
    server.answers["/a"] = Answer(CONTENT[:-1] + bytes([CONTENT[-1] ^ 1]))
    with pytest.raises(NetworkError, match=rf"another file: its sha256 is \w+, not {SHA256}"):
        fetch(server, out, "/a")
    assert not out.exists()
    assert not kept(out).exists()
    server.answers["/b"] = Answer(CONTENT)
    fetch(server, out, "/a", "/b")
    assert out.read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(CONTENT + b"x"), "larger than 300000 bytes"),
        (Answer(CONTENT[:-5]), "ended after 299995 of 300000 bytes|answered 416"),
        (Answer(status=404), "the server answered 404"),
        (Answer(status=503), "the server answered 503"),
    ],
)
def test_what_a_server_does_wrong_is_said(
    server: FileServer, out: Path, answer: Answer, words: str
) -> None:
    server.answers["/a"] = answer
    with pytest.raises(NetworkError, match=words):
        fetch(server, out, "/a")
    assert not out.exists()


def test_each_address_is_named_with_its_reason(server: FileServer, out: Path) -> None:
    server.answers["/b"] = Answer(POINTER)
    with pytest.raises(NetworkError, match=r"/a: the server answered 404; http.*/b: .*pointer"):
        fetch(server, out, "/a", "/b")


def test_a_server_that_sends_another_part_is_refused(server: FileServer, out: Path) -> None:
    server.answers["/a"] = Answer(CONTENT, breaks=[1000], shift=1)
    with pytest.raises(NetworkError, match="another part than was asked for"):
        fetch(server, out, "/a")


def test_what_was_left_by_another_file_does_not_stay(server: FileServer, out: Path) -> None:
    server.answers["/a"] = Answer(CONTENT)
    out.parent.mkdir()
    kept(out).write_bytes(b"x" * 1000)
    with pytest.raises(NetworkError, match="another file"):
        fetch(server, out, "/a")
    kept(out).write_bytes(b"x" * (SIZE + 1))
    fetch(server, out, "/a")
    assert out.read_bytes() == CONTENT


def test_a_finished_part_is_taken_without_asking(server: FileServer, out: Path) -> None:
    out.parent.mkdir()
    kept(out).write_bytes(CONTENT)
    fetch(server, out, "/a")
    assert out.read_bytes() == CONTENT
    assert server.requests == []


def test_nobody_listening_is_said(server: FileServer, out: Path) -> None:
    server.close()
    with pytest.raises(NetworkError, match=r"broke off after 0 bytes: .*refused"):
        fetch(server, out, "/a")


def test_a_folder_that_cannot_be_written_is_named(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "models").write_text("a file")
    with pytest.raises(ShelfError, match="cannot be written"):
        fetch(server, tmp_path / "models" / "net.onnx", "/a")
