"""What the answers of S3 mean, as its documentation gives them; no server says all of them."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import boto3
import pytest
from botocore.response import StreamingBody
from botocore.stub import Stubber
from urllib3 import HTTPResponse

from catalog.core.errors import MissingExtraError
from sync.errors import (
    NotInStoreError,
    StoreBusyError,
    StoreChangedError,
    StoreConflictError,
    StoreError,
    StoreRefusedError,
    StoreUnreachableError,
)
from sync.stores.base import MOST_FOLDERS, ObjectInfo
from sync.stores.choice import open_store
from sync.stores.s3 import S3Store


@pytest.fixture(scope="module")
def store() -> S3Store:
    """A store whose bucket does not exist; making its client takes long."""
    return S3Store("bucket", "shop", region="eu-central-1", session=boto3.Session("x", "x"))


@pytest.fixture
def answers(store: S3Store) -> Iterator[Stubber]:
    """What S3 will answer, in this order."""
    with Stubber(store._client) as answers:
        yield answers
        answers.assert_no_pending_responses()


def body(content: bytes) -> StreamingBody:
    raw: Any = HTTPResponse(io.BytesIO(content), preload_content=False)
    return StreamingBody(raw, len(content))


@pytest.mark.parametrize(
    ("method", "status", "code", "kind"),
    [
        ("get_object", 404, "NoSuchBucket", NotInStoreError),
        ("get_object", 404, "NoSuchKey", NotInStoreError),
        ("get_object", 401, "", StoreRefusedError),
        ("get_object", 403, "AccessDenied", StoreRefusedError),
        ("get_object", 400, "ExpiredToken", StoreRefusedError),
        ("get_object", 400, "InvalidArgument", StoreError),
        ("get_object", 400, "RequestTimeout", StoreBusyError),
        ("get_object", 408, "", StoreBusyError),
        ("get_object", 429, "TooManyRequests", StoreBusyError),
        ("get_object", 430, "", StoreError),
        ("get_object", 499, "", StoreError),
        ("get_object", 500, "InternalError", StoreBusyError),
        ("get_object", 412, "PreconditionFailed", StoreChangedError),
        ("get_object", 416, "InvalidRange", StoreChangedError),
        ("put_object", 409, "ConditionalRequestConflict", StoreConflictError),
        ("put_object", 412, "PreconditionFailed", StoreConflictError),
    ],
)
def test_each_refusal_has_its_error(
    method: str, status: int, code: str, kind: type[StoreError], store: S3Store, answers: Stubber
) -> None:
    answers.add_client_error(method, code, http_status_code=status)
    ask: Callable[[], object] = partial(store.read, "a", 1)
    if method == "put_object":
        ask = partial(store.write, "a", b"a")
    with pytest.raises(StoreError) as caught:
        ask()
    assert type(caught.value) is kind


def test_folders_are_listed_page_by_page(store: S3Store, answers: Stubber) -> None:
    asked = {"Bucket": "bucket", "Prefix": "shop/reports/", "Delimiter": "/"}
    pages = [["shop/reports/one/", "shop/reports/two/"], ["shop/reports/three/"]]
    for page, more in zip(pages, (True, False), strict=True):
        found: list[dict[str, str]] = [{"Prefix": name} for name in page]
        answer = {"CommonPrefixes": found, "IsTruncated": more}
        answers.add_response("list_objects_v2", answer | {"NextContinuationToken": "next"}, asked)
        asked = asked | {"ContinuationToken": "next"}
    assert store.folders("reports") == ["one", "two", "three"]
    names = [{"Prefix": f"shop/reports/{number}/"} for number in range(MOST_FOLDERS + 1)]
    first = {"Bucket": "bucket", "Prefix": "shop/reports/", "Delimiter": "/"}
    endless = {"CommonPrefixes": names, "IsTruncated": True, "NextContinuationToken": "next"}
    answers.add_response("list_objects_v2", endless, first)
    assert len(store.folders("reports")) == MOST_FOLDERS
    full = endless | {"CommonPrefixes": names[:MOST_FOLDERS]}
    answers.add_response("list_objects_v2", full, first)
    assert len(store.folders("reports")) == MOST_FOLDERS, "no further page is asked for"


def test_what_is_sent_at_once_is_counted_and_told(store: S3Store, answers: Stubber) -> None:
    sent: list[int] = []
    answers.add_response("put_object", {"ETag": '"one"'})
    written = store.write("a", b"hello", progress=sent.append)
    assert (written, sent) == (ObjectInfo(5, '"one"'), [5])


@pytest.mark.parametrize(("code", "said"), [("AccessDenied", "AccessDenied"), ("", "403")])
def test_a_refusal_says_the_code_or_the_status(
    code: str, said: str, store: S3Store, answers: Stubber
) -> None:
    answers.add_client_error("head_object", code, http_status_code=403)
    with pytest.raises(StoreRefusedError, match=f"a: the store says {said}; check"):
        store.head("a")


def test_a_body_that_ends_before_its_length_broke_off(store: S3Store, answers: Stubber) -> None:
    answer = {"Body": body(b"hello"), "ContentLength": 7, "ETag": '"one"'}
    answers.add_response("get_object", answer)
    with store.open("a") as found:
        assert found.read() == b"hello"
        assert found.read(0) == b"", "nothing was asked for"
        with pytest.raises(StoreUnreachableError, match="broke off, 2 bytes are missing"):
            found.read()


def test_an_object_is_asked_for_as_it_was_seen(store: S3Store, answers: Stubber) -> None:
    whole = {"Bucket": "bucket", "Key": "shop/a"}
    for start, etag, asked, said, expected in (
        (0, None, {}, {}, (0, 5)),
        (0, '"one"', {"IfMatch": '"one"'}, {}, (0, 5)),
        (7, '"one"', {"IfMatch": '"one"', "Range": "bytes=7-"},
         {"ContentRange": "bytes 7-11/12"}, (7, 12)),
        (7, None, {"Range": "bytes=7-"}, {}, (0, 5)),  # by a store that ignores it
    ):  # fmt: skip
        sent: Any = body(b"hello")
        answer = {"Body": sent, "ContentLength": 5, "ETag": '"one"'}
        answers.add_response("get_object", answer | said, whole | asked)
        with store.open("a", start, etag) as found:
            assert (found.start, found.size, found.etag) == (*expected, '"one"')
            assert found.read() == b"hello"
        assert sent._raw_stream.closed, "its connection can be used again"


def test_a_file_is_sent_and_what_is_there_then_is_told(store: S3Store, answers: Stubber) -> None:
    answers.add_response("put_object", {})
    answers.add_response("head_object", {"ContentLength": 5, "ETag": '"one"'})
    written = store.write("a", io.BytesIO(b"hello"))
    assert written is not None
    assert (written.bytes, written.etag) == (5, '"one"')
    with pytest.raises(ValueError, match="needs no condition"):
        store.write("a", io.BytesIO(b"hello"), new=True)


def test_without_its_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(MissingExtraError, match=r"\[s3\]"):
        open_store("s3://bucket", region="eu-central-1")
