"""``[edge]``: the camera, the loop and the page."""

from __future__ import annotations

import ipaddress
import re
import socket
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from catalog.core.settings import Section, UserPath
from edge.cameras.base import CameraSettings, parse_crop
from edge.signing_key import signing_key

ANY_ADDRESS = "::"  # IPv4, too
ANY_IPV4_ADDRESS = "0.0.0.0"  # noqa: S104 - only where the owner asks for the LAN

NAME = re.compile("[a-z0-9]([a-z0-9-]{0,58}[a-z0-9])?")  # a DNS label, with room for a number
FALLBACK_NAME = "visual-search"
HOST_NAME = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*")
LARGEST_PRIVATE = {4: 8, 6: 7}  # bits of 10.0.0.0/8 and fc00::/7, by the version of IP
SITE = re.compile(r"https?://([a-z0-9.-]+|\[[0-9a-f:]+\])(:[0-9]{1,5})?")
WEBHOOK = re.compile(r"https?://[^\s/]+(/\S*)?")
LARGEST_PORT = 65_535
PREFIX = re.compile("(/[A-Za-z0-9._~-]+)*")


def _check_name(name: str) -> str:
    if name and not NAME.fullmatch(name.lower()):
        raise ValueError(
            f"{name!r} is not a name for the network: it may have at most 60 letters a to z, "
            "digits and hyphens, and must begin and end with a letter or digit"
        )
    return name.lower()


def _check_host(name: str) -> str:
    """A host name or an address, as browsers write it in the Host header, without a port."""
    try:
        return str(ipaddress.ip_address(name.strip("[]")))
    except ValueError:
        pass
    try:
        encoded = name.lower().removesuffix(".").encode("idna").decode("ascii")
    except UnicodeError:
        encoded = ""
    if not HOST_NAME.fullmatch(encoded):
        raise ValueError(
            f"{name!r} is not a host name or an address; write it without http://, port and path, "
            "as kiosk.fritz.box"
        )
    return encoded


def _check_prefix(path: str) -> str:
    if not PREFIX.fullmatch(path) or {".", ".."} & set(path.split("/")):
        raise ValueError(
            f"{path!r} is not a path to serve the page below: it must begin with a slash and not "
            "end with one, as /search"
        )
    return path


def _check_network(text: str) -> str:
    try:
        network = ipaddress.ip_network(text)
    except ValueError as error:
        raise ValueError(
            f"{text!r} is not the address or network of a proxy, as 127.0.0.1 or 172.16.0.0/12: "
            f"{error}"
        ) from error
    if network.prefixlen < LARGEST_PRIVATE[network.version]:
        raise ValueError(
            f"{text!r} holds more than any private network: everybody in it could say in a header "
            "who they are and be believed; name the proxy alone, as 127.0.0.1 or 172.16.0.0/12"
        )
    return str(network)


def _check_site(site: str) -> str:
    if not SITE.fullmatch(site):
        raise ValueError(
            f"{site!r} is not a site that may show the page in a frame; write it as "
            "https://www.shop.example or http://192.168.1.5:8123, without a path"
        )
    return site


def _check_webhook(address: str) -> str:
    if address:
        import httpx  # here, because few devices have a webhook

        try:
            url = httpx.URL(address)
            if WEBHOOK.fullmatch(address) and url.host and (url.port or 0) <= LARGEST_PORT:
                return address
        except httpx.InvalidURL:
            pass
        raise ValueError("it is not an address; write it as https://shop.example/sightings")
    return address


def _check_secret(secret: str) -> str:
    _ = signing_key(secret)
    return secret


def _listed(value: Any) -> Any:
    """A list; a text, as of an environment variable, holds its parts with commas between."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


HostNames = Annotated[
    tuple[Annotated[str, AfterValidator(_check_host)], ...], BeforeValidator(_listed)
]
Networks = Annotated[
    tuple[Annotated[str, AfterValidator(_check_network)], ...], BeforeValidator(_listed)
]
Sites = Annotated[tuple[Annotated[str, AfterValidator(_check_site)], ...], BeforeValidator(_listed)]


class EdgeSettings(Section):
    """Settings of the appliance; see docs/settings.md."""

    camera: str = "/dev/video0"
    width: int = Field(640, ge=16)
    height: int = Field(480, ge=16)
    fps: float = Field(15.0, gt=0, le=240)
    pixel_format: str = ""
    rotate: int = 0
    mirror: bool = False
    crop: str = ""
    background: bool = True  # False for a camera that is carried about
    interval_ms: int = Field(250, ge=20)
    host: str = "127.0.0.1"
    port: int = Field(8080, ge=0, le=LARGEST_PORT)
    lan: bool = False
    name: Annotated[str, AfterValidator(_check_name)] = ""  # in the network; the machine's if empty
    names: HostNames = ()  # further ones at which the page is opened
    trust_proxy: Networks = ()  # where reverse proxies are whose X-Forwarded headers are believed
    prefix: Annotated[str, AfterValidator(_check_prefix)] = ""  # the path of the page at a proxy
    tls: bool = False  # the page by https; on this machine by http, too
    certificate: UserPath | None = None  # with tls, PEM; the device makes one where it is absent
    key: UserPath | None = None
    kiosk: bool = False  # the device's own screen offers visitors no way out of the page
    frame_ancestors: Sites = ()  # sites that may show the page in a frame
    webhook: Annotated[str, AfterValidator(_check_webhook)] = ""  # each sighting is sent there
    webhook_secret: Annotated[str, AfterValidator(_check_secret)] = ""  # it is signed with this
    show_address: bool = True  # on the device's own screen, with `lan`
    read_text: Literal["off", "when unsure", "always"] = "when unsure"  # with the extra `text`
    foreign_share: float = Field(0.2, ge=0.01, le=0.9)  # of what is shown: not in the catalogue
    keep_looks: bool = False  # pictures of what was shown, for the staff's history
    looks_days: float = Field(30.0, gt=0, le=365)
    looks_mb: float = Field(200.0, ge=1, le=100_000)
    exact: bool = False  # search every vector instead of the Annoy index

    @model_validator(mode="after")
    def _check_certificate(self) -> EdgeSettings:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key go together; set both or none")
        return self

    @property
    def listening_address(self) -> str:
        """The address that the page's server listens on: `host`, or all of them with `lan`."""
        if not self.lan or self.host != "127.0.0.1":
            return self.host
        return ANY_ADDRESS if socket.has_dualstack_ipv6() else ANY_IPV4_ADDRESS

    @property
    def own_page(self) -> str:
        """The page's address for programs on this device: at `host` where that is one address."""
        host = self.host
        if self.listening_address in (ANY_ADDRESS, ANY_IPV4_ADDRESS, "127.0.0.1"):
            host = "localhost"
        elif ":" in host:
            host = f"[{host}]"
        return f"http://{host}:{self.port}{self.prefix}/"

    @property
    def network_name(self) -> str:
        """The name to announce in the local network, without ``.local``."""
        machine = socket.gethostname().partition(".")[0].lower()
        is_usable = NAME.fullmatch(machine) is not None and machine != "localhost"
        return self.name or (machine if is_usable else FALLBACK_NAME)

    @property
    def trusted_networks(self) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
        """The networks of `trust_proxy`."""
        return [ipaddress.ip_network(network) for network in self.trust_proxy]

    def camera_settings(self) -> CameraSettings:
        """The part that the camera is opened with."""
        return CameraSettings(
            width=self.width,
            height=self.height,
            fps=self.fps,
            pixel_format=self.pixel_format,
            rotate=self.rotate,
            mirror=self.mirror,
            crop=parse_crop(self.crop),
        )
