"""``[edge]``: the camera, the loop and the page."""

from __future__ import annotations

import re
import socket
from typing import Annotated

from pydantic import AfterValidator, Field

from catalog.core.settings import Section
from edge.cameras.base import CameraSettings, parse_crop

ANY_ADDRESS = "::"  # IPv4, too
ANY_IPV4_ADDRESS = "0.0.0.0"  # noqa: S104 - only where the owner asks for the LAN


NAME = re.compile("[a-z0-9]([a-z0-9-]{0,58}[a-z0-9])?")  # a DNS label, with room for a number
FALLBACK_NAME = "visual-search"


def _check_name(name: str) -> str:
    if name and not NAME.fullmatch(name.lower()):
        raise ValueError(
            f"{name!r} is not a name for the network: it may have at most 60 letters a to z, "
            "digits and hyphens, and must begin and end with a letter or digit"
        )
    return name.lower()


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
    port: int = Field(8080, ge=0, le=65535)
    lan: bool = False
    name: Annotated[str, AfterValidator(_check_name)] = ""  # in the network; the machine's if empty
    show_address: bool = True  # on the device's own screen, with `lan`
    exact: bool = False  # search every vector instead of the Annoy index

    @property
    def listening_address(self) -> str:
        """The address that the page's server listens on: `host`, or all of them with `lan`."""
        if not self.lan or self.host != "127.0.0.1":
            return self.host
        return ANY_ADDRESS if socket.has_dualstack_ipv6() else ANY_IPV4_ADDRESS

    @property
    def network_name(self) -> str:
        """The name to announce in the local network, without ``.local``."""
        machine = socket.gethostname().partition(".")[0].lower()
        is_usable = NAME.fullmatch(machine) is not None and machine != "localhost"
        return self.name or (machine if is_usable else FALLBACK_NAME)

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
