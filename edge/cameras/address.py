"""Read the address of a network camera, with a user and password written raw or encoded."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import quote, unquote

from edge.cameras.source_names import public_name
from edge.errors import CameraError

HOST = re.compile(r"(?P<host>\[[0-9A-Fa-f:.%\w]+\]|[\w.-]+)(?::(?P<port>\d{1,5}))?(?=[/?#]|$)")
IN_QUERY = re.compile(r"[?&][\w.-]+=")  # an @ behind it belongs to the query
# Characters that stand encoded in a well-formed address: what holds one is meant as it is written.
RAW = re.compile(r'[@/?#\[\]\s"<>]|%(?![0-9A-Fa-f]{2})')


@dataclass(frozen=True)
class CameraAddress:
    """The parts of a network camera's address.

    Attributes:
        scheme: In lower case.
        host: A name or an IP address, without brackets.
        port: None where the scheme's own is meant.
        path: All that follows host and port, with its query.
        user, password: Decoded; empty where the address has none.
    """

    scheme: str
    host: str
    port: int | None
    path: str = field(repr=False)
    user: str = ""
    password: str = field(default="", repr=False)

    @property
    def has_password(self) -> bool:
        """Whether the address names a user or a password."""
        return bool(self.user or self.password)

    def url(self) -> str:
        """The address without user and password."""
        return f"{self.scheme}://{self._place()}"

    def url_with_password(self) -> str:
        """The address with user and password encoded; it must not be logged."""
        if not self.has_password:
            return self.url()
        return f"{self.scheme}://{quote(self.user, '')}:{quote(self.password, '')}@{self._place()}"

    def _place(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}{'' if self.port is None else f':{self.port}'}{self.path}"


def parse_address(source: str) -> CameraAddress:
    """Read ``scheme://user:password@host:port/path``.

    User and password end at the last @ that a host can follow, so that they may contain any
    character as it is. Percent escapes are decoded where the text is encoded throughout. In a
    path, an @ is written %40.

    Raises:
        CameraError: The address names no host, or a port that does not exist.
    """
    scheme, _, rest = source.partition("://")
    for credentials, place in _readings(rest):
        found = HOST.match(place)
        if found is None:
            continue
        port = int(found["port"]) if found["port"] else None
        if port is not None and not 0 < port < 65536:
            continue
        user, _, password = credentials.partition(":")
        return CameraAddress(
            scheme.lower(),
            found["host"].strip("[]"),
            port,
            place[found.end() :],
            _decoded(user),
            _decoded(password),
        )
    raise CameraError(
        f"camera {public_name(source)} cannot be opened: its address names no host and port that "
        f"can exist; write {scheme}://HOST/PATH or {scheme}://USER:PASSWORD@HOST:PORT/PATH"
    )


def _readings(rest: str) -> Iterator[tuple[str, str]]:
    """The ways to split into credentials and the rest, the likeliest first."""
    for at in reversed([match.start() for match in re.finditer("@", rest)]):
        credentials = rest[:at]
        is_plain = re.search("[/?#]", credentials) is None
        if not IN_QUERY.search(credentials) and (is_plain or ":" in credentials):
            yield credentials, rest[at + 1 :]
    yield "", rest


def _decoded(text: str) -> str:
    return text if RAW.search(text) else unquote(text)
