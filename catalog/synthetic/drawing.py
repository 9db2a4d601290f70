"""The description of a drawn thing: its shape, its colours and its label."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Label:
    """The label that is printed on a package.

    Colours are "#rrggbb"; `layout` names a function in `labels`, `icon` one in `icons`, and
    `face` a typeface of `fonts`.
    """

    brand: str
    name: str
    detail: str = ""
    ground: str = "#ffffff"
    accent: str = "#c83232"
    ink: str = "#202020"
    layout: str = "band"
    icon: str = "circle"
    face: str = "sans"


@dataclass(frozen=True)
class Drawing:
    """A thing that `render` can draw.

    `shape` names a builder of `shapes`; `colours` are its materials, "#rrggbb", and
    `measures` its proportions, both as that builder wants them.
    """

    shape: str
    colours: tuple[str, ...] = ()
    measures: tuple[float, ...] = ()
    label: Label | None = None


@dataclass(frozen=True)
class DrawnItem:
    """A drawn thing as an item of a shop; `twin` is the sku of one with another label only."""

    sku: str
    title: str
    drawing: Drawing
    price: str = ""
    location: str = ""
    url: str = ""
    kind: str = ""
    attributes: dict[str, str] = field(default_factory=dict)
    twin: str | None = None


def bgr(colour: str) -> tuple[int, int, int]:
    """Return the bytes of "#rrggbb" as (blue, green, red)."""
    red, green, blue = bytes.fromhex(colour.removeprefix("#"))
    return blue, green, red


def mixed(colour: str, second: str, share: float) -> str:
    """Return `colour` mixed with a `share`, from 0 to 1, of a second colour."""
    pair = zip(bytes.fromhex(colour[1:]), bytes.fromhex(second[1:]), strict=True)
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in pair)
