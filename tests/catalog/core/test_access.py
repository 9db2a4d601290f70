"""Why a folder cannot be written is said with the user who may not."""

from __future__ import annotations

import errno
import os
import pwd

import pytest

from catalog.core.access import why_unwritable


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM])
def test_the_user_is_named_who_may_not_write(number: int) -> None:
    name = pwd.getpwuid(os.geteuid()).pw_name
    said = why_unwritable(OSError(number, os.strerror(number)))
    assert said.startswith(f"{os.strerror(number)}; this command runs as the user {name}, who may")


def test_a_user_without_a_name_is_named_by_the_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 4_000_000)
    assert "the user with the number 4000000" in why_unwritable(OSError(errno.EACCES, "no"))


def test_another_reason_stands_alone() -> None:
    assert why_unwritable(OSError(errno.EROFS, "Read-only file system")) == "Read-only file system"
