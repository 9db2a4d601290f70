"""All shapes that can be drawn, by name."""

from __future__ import annotations

from collections.abc import Callable

from catalog.demonstration import packages, strangers
from catalog.demonstration.drawing import Drawing
from catalog.demonstration.meshes import Surface

Builder = Callable[[Drawing], list[Surface]]

SHAPES: dict[str, Builder] = {
    one.__name__: one
    for one in (
        packages.can, packages.tin, packages.bottle, packages.jar, packages.tub, packages.carton,
        packages.milk, packages.pouch, packages.tube, packages.flask,
        strangers.mug, strangers.book, strangers.pot, strangers.block, strangers.ball,
        strangers.phone, strangers.shoe, strangers.spectacles, strangers.star, strangers.key,
        strangers.hand,
    )
}  # fmt: skip

FROM_ABOVE: dict[str, float] = {"": 11.0}  # degrees by which a thing is seen from above


def surfaces(drawing: Drawing) -> list[Surface]:
    """The surfaces of a drawing."""
    return SHAPES[drawing.shape](drawing)
