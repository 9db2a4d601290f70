"""Posts work to the daemon over HTTP, without a time limit, as the core's own client does."""

from __future__ import annotations

from urllib.error import URLError
from urllib.request import Request, urlopen

from greengrass_common.env_vars import AUTH_TOKEN, GG_DAEMON_PORT


class IPCException(Exception):  # the name of the core's own client
    """The daemon cannot be reached, or does not want it."""


class IPCClient:
    """Talks to the daemon at `endpoint`, on the port that the environment names."""

    def __init__(self, endpoint: str = "localhost", port: int | None = None) -> None:
        self._address = f"http://{endpoint}:{GG_DAEMON_PORT}/2016-11-01/functions"

    def post_work(
        self,
        function_arn: str,
        payload: bytes,
        client_context: bytes,
        invocation_type: str = "RequestResponse",
    ) -> str | None:
        """The invocation's id."""
        headers = {
            "Authorization": str(AUTH_TOKEN),
            "X-Amz-Client-Context": client_context.decode(),
            "X-Amz-Invocation-Type": invocation_type,
        }
        try:
            with urlopen(Request(f"{self._address}/{function_arn}", payload, headers)) as answer:
                identity: str | None = answer.headers.get("X-Amz-InvocationId")
                return identity
        except URLError as error:
            raise IPCException(str(error)) from error
