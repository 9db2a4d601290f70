"""Finds devices by multicast DNS, as a laptop in the same network would, and opens their pages.

    python -m tests.support.lan_visitor eth0 shop.local shop-2.local

prints a JSON document: for each name the service and the addresses that are announced, and for
each address what the page answers there. The first argument is the visitor's network interface.
"""

from __future__ import annotations

import asyncio
import http.client
import ipaddress
import json
import sys

from zeroconf import AddressResolver, IPVersion
from zeroconf.asyncio import AsyncServiceBrowser, AsyncZeroconf

PATIENCE_S = 60.0
PORT = 8080
WEB_PAGES = "_http._tcp.local."


async def find(name: str, interface: str) -> dict[str, object]:
    """Wait until a name is found over IPv4 and IPv6 with the web page there, and open that."""
    services: asyncio.Queue[str] = asyncio.Queue()

    def hear(**event: object) -> None:
        services.put_nowait(str(event["name"]))

    async with AsyncZeroconf(ip_version=IPVersion.All) as network:
        resolver = AddressResolver(f"{name}.")
        assert await resolver.async_request(network.zeroconf, PATIENCE_S * 1000), f"no {name}"
        browser = AsyncServiceBrowser(network.zeroconf, WEB_PAGES, handlers=[hear])
        async with asyncio.timeout(PATIENCE_S):
            while True:
                service = await services.get()
                info = await network.async_get_service_info(WEB_PAGES, service)
                addresses = [] if info is None else info.parsed_addresses()
                versions = {ipaddress.ip_address(address).version for address in addresses}
                if info is not None and info.server == f"{name}." and versions == {4, 6}:
                    break
        await browser.async_cancel()
    pages = {address: open_page(address, name, interface) for address in addresses}
    return {"service": service, "port": info.port, "pages": pages}


def open_page(address: str, name: str, interface: str) -> list[str]:
    """The own address that the page tells, asked by its name, by number, and by a foreign name."""
    parsed = ipaddress.ip_address(address)
    number = f"[{address}]" if parsed.version == 6 else address
    zone = f"%{interface}" if parsed.version == 6 and parsed.is_link_local else ""
    answers = []
    for host in (name, number, number.replace("]", f"%25{interface}]"), "elsewhere.local"):
        connection = http.client.HTTPConnection(address + zone, PORT, timeout=PATIENCE_S)
        connection.request("GET", "/api/address", headers={"Host": f"{host}:{PORT}"})
        answer = connection.getresponse()
        document = json.loads(answer.read())
        answers.append(document["addresses"][0] if answer.status == 200 else str(answer.status))
        connection.close()
    return answers


def main() -> None:
    """Find each name that is given."""
    interface, *names = sys.argv[1:]
    print(json.dumps({name: asyncio.run(find(name, interface)) for name in names}))


if __name__ == "__main__":
    main()
