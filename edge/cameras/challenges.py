"""Answer a camera that asks for its password, by Digest or by Basic (RFC 7235, 7616, 7617)."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterable
from urllib.request import parse_http_list

import httpx

BEGIN = re.compile(r"([\w-]+)(?:\s+(?=[^\s=])|$)")  # a parameter has "=" behind its name
ALGORITHMS = ("MD5", "SHA", "SHA-256", "SHA-512")  # httpx knows these, and each with -SESS


class UnknownChallengeError(Exception):
    """The camera asks for the password in no way that is known here."""


class ChallengeAuth(httpx.Auth):
    """Sends the password only when asked: by Digest where it is offered, else by Basic."""

    def __init__(self, user: str, password: str) -> None:
        self._digest = httpx.DigestAuth(user, password)
        self._basic = httpx.BasicAuth(user, password)
        self._chosen: httpx.Auth | None = None

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Answer the first challenge, and send the same kind from then on.

        Raises:
            UnknownChallengeError: The answer asks for the password in another way.
        """
        if self._chosen is not None:
            next(self._chosen.auth_flow(request))  # writes the header
        answer = yield request
        if answer.status_code != 401:
            return
        offers = _challenges(answer.headers.get_list("www-authenticate"))
        digest = next((_digest(fields) for kind, fields in offers if _is_known(kind, fields)), "")
        kinds = {kind for kind, _ in offers}
        if digest:
            self._chosen = self._digest
            # httpx takes the first challenge of this kind, whether it knows its algorithm or not.
            answer.headers["www-authenticate"] = digest
            flow = self._digest.auth_flow(request)
            next(flow)
            yield flow.send(answer)
        elif "digest" in kinds or "basic" not in kinds:
            raise UnknownChallengeError
        elif self._chosen is None:
            self._chosen = self._basic
            yield next(self._basic.auth_flow(request))


def _challenges(headers: Iterable[str]) -> list[tuple[str, dict[str, str]]]:
    """The kind of each challenge, in lower case, and its parameters as they were written."""
    found: list[tuple[str, dict[str, str]]] = []
    for item in parse_http_list(", ".join(headers)):
        if begin := BEGIN.match(item):
            found.append((begin[1].lower(), {}))
            item = item[begin.end() :]
        name, _, value = item.partition("=")
        if found and value.strip():
            found[-1][1][name.strip().lower()] = value.strip()
    return found


def _is_known(kind: str, fields: dict[str, str]) -> bool:
    algorithm = fields.get("algorithm", "MD5").strip('"').upper().removesuffix("-SESS")
    offered = re.split(r"[\s,]+", fields.get("qop", "auth").strip('"').lower())
    return (
        kind == "digest"
        and {"realm", "nonce"} <= fields.keys()
        and algorithm in ALGORITHMS
        and "auth" in offered
    )


def _digest(fields: dict[str, str]) -> str:
    """A challenge as httpx reads it."""
    plain = {"qop": '"auth"'} if "qop" in fields else {}
    return "Digest " + ", ".join(f"{name}={value}" for name, value in {**fields, **plain}.items())
