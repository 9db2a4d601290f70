"""Ask a camera over HTTP: at its own host alone, and with its password only where it asks for it.

The client's own ways to follow redirects and to answer challenges read whole answers, of any size.
So each request is sent here by itself, and what is not wanted of an answer is never read.
"""

from __future__ import annotations

import logging
from dataclasses import replace

import httpx

from catalog.core.local_network import is_surely_local, proxy_for
from edge.cameras.address import CameraAddress
from edge.cameras.base import CameraSettings
from edge.cameras.challenges import ChallengeAuth, UnknownChallengeError
from edge.cameras.refusals import (
    ELSEWHERE,
    NO_STREAM,
    PACKED,
    UNKNOWN_CHALLENGE,
    cannot_open,
    no_answer,
    reason_of_failure,
    reason_of_status,
    through_proxy,
)
from edge.errors import CameraError

MOST_REDIRECTS = 5
CONNECT_SHARE = 0.9  # of the time for opening, so that the reason is known before it is over

for library in ("httpx", "httpcore"):  # they log each request, with the password in its query
    logging.getLogger(library).setLevel(logging.WARNING)


class HttpConnection:
    """Requests a camera's address.

    Args:
        address: The camera's address.
        settings: The time limits.
        name: The camera's public name.

    Raises:
        CameraError: The address, or the proxy that the environment names, cannot be used.
    """

    def __init__(self, address: CameraAddress, settings: CameraSettings, name: str) -> None:
        self._name = name
        self._address = address
        self._settings = settings
        self._auth = ChallengeAuth(address.user, address.password)
        self._proxy = proxy_for(address.scheme, address.host)
        try:
            self._url = httpx.URL(address.url())
        except httpx.InvalidURL:
            raise cannot_open(name, NO_STREAM) from None
        # FFmpeg checks no certificate either; cameras sign their own.
        verify = not is_surely_local(address.host)
        try:
            self._client = httpx.Client(
                headers={
                    "User-Agent": "visual-search", "Accept": "*/*", "Accept-Encoding": "identity"
                },
                proxy=self._proxy,
                timeout=httpx.Timeout(
                    settings.read_timeout_s, connect=settings.open_timeout_s * CONNECT_SHARE
                ),
                trust_env=False,
                verify=verify,
            )  # fmt: skip
        except (ImportError, ValueError, httpx.InvalidURL):
            raise self.refusal("this kind of proxy is not supported") from None

    def ask(self) -> httpx.Response:
        """Request the address, and follow it where the camera sends on to at its own host.

        Returns:
            The answer, whose body is not read yet; it must be read as it came (`iter_raw`).

        Raises:
            CameraError: Nothing answers there, or it refuses, or it sends to another host.
            httpx.RemoteProtocolError: What answers does not speak HTTP as it should.
        """
        url = self._url
        try:
            for _ in range(MOST_REDIRECTS + 1):
                answer = self._ask_at(url)
                if answer.next_request is None:
                    return self._accept(answer)
                answer.close()
                url = answer.next_request.url
                if url.host != self._url.host:
                    raise self.refusal(ELSEWHERE)
        except httpx.RemoteProtocolError:
            raise
        except httpx.TimeoutException as error:
            connecting = isinstance(error, httpx.ConnectTimeout)
            limits = self._settings
            seconds = limits.open_timeout_s if connecting else limits.read_timeout_s
            raise self.refusal(no_answer(seconds)) from None
        except UnknownChallengeError:
            raise self.refusal(UNKNOWN_CHALLENGE) from None
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            raise self.refusal(reason_of_failure(error) or NO_STREAM) from None
        raise self.refusal("it sends from one address to the next without end")

    def place(self, answer: httpx.Response) -> CameraAddress:
        """The address that gave an answer, with the password if it may be sent there."""
        url = answer.request.url
        found = replace(self._address, scheme=url.scheme, port=url.port, path=url.raw_path.decode())
        return found if self._may_know_password(url) else replace(found, user="", password="")

    def refusal(self, reason: str) -> CameraError:
        """The error of this camera for a reason, which names the proxy if there is one."""
        if self._proxy is not None:
            reason = through_proxy(reason, self._proxy)
        return cannot_open(self._name, reason)

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def _ask_at(self, url: httpx.URL) -> httpx.Response:
        """Request a URL, and answer where it asks for the password."""
        request = self._client.build_request("GET", url)
        if not (self._address.has_password and self._may_know_password(url)):
            return self._client.send(request, stream=True)
        requests = self._auth.auth_flow(request)
        request = next(requests)
        while True:
            answer = self._client.send(request, stream=True)
            try:
                request = requests.send(answer)
            except StopIteration:
                return answer
            answer.close()

    def _may_know_password(self, url: httpx.URL) -> bool:
        own = self._url
        is_same = (url.scheme, url.host, url.port) == (own.scheme, own.host, own.port)
        return is_same or (url.host == own.host and url.scheme == "https")

    def _accept(self, answer: httpx.Response) -> httpx.Response:
        reason = ""
        if answer.status_code >= 400:
            reason = reason_of_status(answer.status_code, has_password=self._address.has_password)
        elif answer.headers.get("content-encoding", "identity").strip().lower() != "identity":
            reason = PACKED  # a few bytes may unpack to any number
        if reason:
            answer.close()
            raise self.refusal(reason)
        return answer
