"""``[edge]``: the camera, the loop and the page."""

from __future__ import annotations

from pydantic import Field

from catalog.core.settings import Section
from edge.cameras.base import CameraSettings, parse_crop

ANY_ADDRESS = "0.0.0.0"  # noqa: S104 - only where the owner asks for the LAN


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
    exact: bool = False  # search every vector instead of the Annoy index

    @property
    def listening_address(self) -> str:
        """The address that the page's server listens on: `host`, or all of them with `lan`."""
        return ANY_ADDRESS if self.lan and self.host == "127.0.0.1" else self.host

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
