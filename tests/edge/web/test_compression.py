"""The page and its files are sent compressed, and nothing that may stand beside a secret."""

from __future__ import annotations

import gzip
import mimetypes
from pathlib import Path

import pytest

from edge.web.app import create_app
from tests.support.web_stand_in import StandInDevice

GZIP = {"Accept-Encoding": "gzip, deflate"}


@pytest.mark.parametrize("path", ["/static/page.js", "/static/answer.css", "/", "/?lang=ar"])
def test_a_text_is_the_same_in_fewer_bytes(path: str) -> None:
    client = create_app(StandInDevice()).test_client()
    plain, packed = client.get(path), client.get(path, headers=GZIP)
    assert gzip.decompress(packed.data) == plain.data
    assert len(packed.data) < 0.6 * len(plain.data)
    assert packed.content_length == len(packed.data)
    assert "Content-Encoding" not in plain.headers
    for answer in (plain, packed):
        assert "Accept-Encoding" in answer.vary


def test_scripts_are_compressed_by_any_of_their_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without a list of types gives them an older one."""
    monkeypatch.setattr(mimetypes, "guess_type", lambda *_: ("application/javascript", None))
    answer = create_app(StandInDevice()).test_client().get("/static/page.js", headers=GZIP)
    assert answer.headers["Content-Encoding"] == "gzip"


def test_a_file_that_the_browser_has_is_not_sent_again() -> None:
    client = create_app(StandInDevice()).test_client()
    first = client.get("/static/page.js", headers=GZIP)
    again = client.get("/static/page.js", headers=GZIP | {"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    assert again.headers["ETag"] == first.headers["ETag"]
    part = client.get("/static/page.js", headers=GZIP | {"Range": "bytes=0-9"})
    assert part.data == client.get("/static/page.js").data[:10]
    refused = client.get("/static/page.js", headers={"Accept-Encoding": "gzip;q=0"})
    assert "Content-Encoding" not in refused.headers


def test_the_pages_with_secrets_and_the_answers_are_sent_as_they_are(tmp_path: Path) -> None:
    client = create_app(StandInDevice(), state_folder=tmp_path).test_client()
    for path in ("/staff", "/setup", "/api/latest", "/api/search?q=e", "/plain"):
        assert "Content-Encoding" not in client.get(path, headers=GZIP).headers, path
