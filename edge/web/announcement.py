"""Announce the page in the local network by multicast DNS: a web page, at a name of its own.

python-zeroconf publishes and answers. It probes the names of services, as RFC 6762 wants, but not
those of hosts; that is done here.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import threading
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from edge.web.addresses import Address, Interface, in_url, interfaces, lan_addresses, reachable

if TYPE_CHECKING:
    from zeroconf import Zeroconf
    from zeroconf.asyncio import AsyncZeroconf

log = logging.getLogger(__name__)

SERVICES = {"http": "_http._tcp.local.", "https": "_https._tcp.local."}
MOST_NAMES = 99  # with a number of two digits
LINK_LOCAL_IPV6 = ipaddress.IPv6Network("fe80::/10")
QUESTION_MS = 1000  # how long another owner of a name has to answer
CHECK_SECONDS = 2.0  # between two looks at this machine's addresses
RETRY_SECONDS = 30.0  # after announcing has failed


class Announcement:
    """Announces the page while it is served, on a thread of its own.

    Where the network comes later or changes, the page is announced again. Where announcing is not
    possible, the log says why, once.

    Attributes:
        host: The host name that was taken, as "shop.local"; empty while there is none. It is not
            the wanted one where another machine has that.

    Args:
        name: The wanted name: a DNS label of at most 60 letters, so that a number can be appended.
        scheme: What the page's address begins with, http or https.
        on_change: Called with all addresses of the page, best to read first, at the start and
            whenever they have changed; not while this machine has no network.
    """

    def __init__(
        self,
        name: str,
        on_change: Callable[[list[str]], None] = lambda addresses: None,
        scheme: str = "http",
    ) -> None:
        self.host = ""
        self._name = name
        self._taken = ""  # tried first when it is announced again
        self._on_change = on_change
        self._scheme = scheme
        self._listening: Address = ipaddress.IPv6Address("::1")
        self._port = 0
        self._shown: list[str] = []
        self._has_failed = False
        self._stopping = threading.Event()
        self._cancel: Callable[[], object] | None = None
        self._thread = threading.Thread(target=self._run, name="announcement", daemon=True)

    def start(self, listening: str, port: int) -> None:
        """Begin to announce, unless the page is for this machine alone; returns at once.

        Args:
            listening: The address that the page's server listens on.
            port: The port of the page.
        """
        self._listening, self._port = ipaddress.ip_address(listening), port
        if not self._listening.is_loopback:
            self._thread.start()

    def stop(self) -> None:
        """Withdraw the announcement; does not wait, and may be called at any time."""
        self._stopping.set()
        if self._cancel is not None:
            with contextlib.suppress(RuntimeError):  # it has ended already
                self._cancel()

    def join(self, timeout: float) -> None:
        """Wait until the announcement is withdrawn, `timeout` seconds at most."""
        if self._thread.is_alive():
            self._thread.join(timeout)

    def addresses(self) -> list[str]:
        """Where others can open the page: by its name, then by the machine's addresses.

        Browsers do not open link-local IPv6 addresses.
        """
        hosts = [self.host] if self.host else []
        if self._listening.is_unspecified:
            hosts += lan_addresses()
        elif not (self._listening.is_loopback or self._listening in LINK_LOCAL_IPV6):
            hosts.append(str(self._listening))
        return [f"{self._scheme}://{in_url(host)}:{self._port}/" for host in hosts]

    def _run(self) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            asyncio.run(self._announce())

    async def _announce(self) -> None:
        """Announce on all interfaces, again after each change, until cancelled."""
        task, loop = asyncio.current_task(), asyncio.get_running_loop()
        assert task is not None
        self._cancel = partial(loop.call_soon_threadsafe, task.cancel)
        while not self._stopping.is_set():
            try:
                found = self._interfaces()
                if found:
                    await self._announce_on(found)
                else:
                    self.host = ""
                    await asyncio.sleep(CHECK_SECONDS)
            except Exception as error:  # the page is served whether it is announced or not
                if not self._has_failed:
                    log.warning("the page cannot be announced in the network: %s", error)
                self._has_failed = True
                self.host = ""
                self._tell_change()
                await asyncio.sleep(RETRY_SECONDS)

    async def _announce_on(self, found: tuple[Interface, ...]) -> None:
        """Announce on these interfaces until they change or the name turns out to be another's."""
        from zeroconf.asyncio import AsyncZeroconf

        own = frozenset(address for interface in found for address in interface.addresses)
        async with AsyncZeroconf(interfaces=_senders(found)) as announcer:
            is_published_here = await self._take_name(announcer, own)
            self.host = f"{self._taken}.local"
            self._has_failed = False
            self._tell_change()
            while found == self._interfaces():
                rivals = _heard(announcer.zeroconf, self.host) - own
                if rivals and _gives_way(own, rivals):
                    self._taken = ""
                    log.warning(
                        "%s is the name of another machine; choosing another one", self.host
                    )
                    return
                if not (is_published_here or await _answers(announcer.zeroconf, self.host) & own):
                    return  # the other program publishes the name no more
                await asyncio.sleep(CHECK_SECONDS)

    async def _take_name(self, announcer: AsyncZeroconf, own: frozenset[Address]) -> bool:
        """Announce host and page by the first name that no other machine has for either.

        Returns:
            Whether the host's addresses are announced, too; not where another program on this
            machine publishes them.

        Raises:
            RuntimeError: Other machines have all names.
        """
        from zeroconf import NonUniqueNameException, ServiceInfo

        numbered = (f"{self._name}-{number}" for number in range(2, MOST_NAMES + 1))
        for name in dict.fromkeys((self._taken or self._name, self._name, *numbered)):
            answered = await _answers(announcer.zeroconf, f"{name}.local")
            if answered - own:
                continue
            service = SERVICES[self._scheme]
            page = ServiceInfo(
                service,
                f"{name}.{service}",
                port=self._port,
                properties={"path": "/"},
                server=f"{name}.local.",
                addresses=[] if answered else [address.packed for address in own],
            )
            with contextlib.suppress(NonUniqueNameException):
                await announcer.async_register_service(page, allow_name_change=bool(answered))
                self._taken = name
                return not answered
        raise RuntimeError(f"other machines have all names from {self._name} to {name}")

    def _interfaces(self) -> tuple[Interface, ...]:
        """The interfaces to announce on, with the addresses at which the page can be opened."""
        listening = self._listening
        chosen = []
        for interface in interfaces():
            addresses = tuple(
                address
                for address in interface.addresses
                if address == listening
                or (listening.is_unspecified and (address.version == 4 or listening.version == 6))
            )
            if addresses:
                chosen.append(replace(interface, addresses=addresses))
        return reachable(chosen)

    def _tell_change(self) -> None:
        addresses = self.addresses()
        if addresses and addresses != self._shown:
            self._shown = addresses
            # As of a terminal that went away, or of sys.stdout that was closed.
            with contextlib.suppress(OSError, ValueError):
                self._on_change(addresses)


def _senders(found: Iterable[Interface]) -> list[str | int]:
    """What python-zeroconf sends by: an IPv4 address or, for IPv6, the number of an interface."""
    senders: list[str | int] = []
    for interface in found:
        senders += [str(address) for address in interface.addresses if address.version == 4][:1]
        if any(address.version == 6 for address in interface.addresses):
            senders.append(interface.index)
    return senders


async def _answers(zeroconf: Zeroconf, host: str) -> frozenset[Address]:
    """All addresses of a host name; the network is asked only where none was heard lately."""
    from zeroconf import AddressResolver, IPVersion

    resolver = AddressResolver(f"{host}.")
    await resolver.async_request(zeroconf, QUESTION_MS)
    return _without_zones(resolver.ip_addresses_by_version(IPVersion.All))


def _heard(zeroconf: Zeroconf, host: str) -> frozenset[Address]:
    """All addresses that were heard for a host name, perhaps our own."""
    from zeroconf import AddressResolver, IPVersion

    resolver = AddressResolver(f"{host}.")
    resolver.load_from_cache(zeroconf)
    return _without_zones(resolver.ip_addresses_by_version(IPVersion.All))


def _without_zones(addresses: Iterable[Address]) -> frozenset[Address]:
    return frozenset(ipaddress.ip_address(address.packed) for address in addresses)


def _gives_way(own: frozenset[Address], rivals: frozenset[Address]) -> bool:
    """Whether this machine, not the other, takes another name: the highest address stays."""
    return max(map(_order, own)) < max(map(_order, rivals))


def _order(address: Address) -> tuple[int, bytes]:
    return address.version, address.packed
