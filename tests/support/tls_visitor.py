"""Finds a device that serves by TLS, as a phone in the same network would, and comes to trust it.

    python -m tests.support.tls_visitor 10.9.0.2

prints a JSON document: what is announced, where plain HTTP leads, and what the page tells by TLS at
its name and at the address that is given.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import ssl
import sys
import time

from zeroconf.asyncio import AsyncServiceBrowser, AsyncZeroconf

PATIENCE_S = 60.0
PORT = 8080
SECURE_PAGES = "_https._tcp.local."


async def find() -> str:
    """The host name of the page that is announced."""
    services: asyncio.Queue[str] = asyncio.Queue()

    def hear(**event: object) -> None:
        services.put_nowait(str(event["name"]))

    async with AsyncZeroconf() as network, asyncio.timeout(PATIENCE_S):
        browser = AsyncServiceBrowser(network.zeroconf, SECURE_PAGES, handlers=[hear])
        info = await network.async_get_service_info(SECURE_PAGES, await services.get())
        await browser.async_cancel()
    assert info is not None
    assert info.port == PORT
    return str(info.server).removesuffix(".")


def ask(address: str, host: str, path: str) -> http.client.HTTPResponse:
    """Ask by plain HTTP."""
    connection = http.client.HTTPConnection(address, PORT, timeout=PATIENCE_S)
    connection.request("GET", path, headers={"Host": f"{host}:{PORT}"})
    return connection.getresponse()


def own_addresses(address: str, host: str, authority: str) -> list[str]:
    """The own addresses that the page tells by TLS; waits until its certificate has `host`."""
    trust = ssl.create_default_context(cadata=authority)
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            plain = socket.create_connection((address, PORT), PATIENCE_S)
            encrypted = trust.wrap_socket(plain, server_hostname=host)
            break
        except ssl.SSLCertVerificationError:
            assert time.monotonic() < deadline, f"the certificate never has {host}"
            time.sleep(0.5)
    connection = http.client.HTTPConnection(host, PORT)
    connection.sock = encrypted
    connection.request("GET", "/api/address")
    told: list[str] = json.loads(connection.getresponse().read())["addresses"]
    return told


def main() -> None:
    """Find the device, and open its page."""
    address = sys.argv[1]
    host = asyncio.run(find())
    authority = ask(address, host, "/authority.crt").read().decode()
    found = {
        "host": host,
        "plain": ask(address, host, "/api/latest").headers["Location"],
        "told": [own_addresses(address, name, authority) for name in (host, address)],
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
