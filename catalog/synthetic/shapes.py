"""All shapes that can be drawn, by name."""

from __future__ import annotations

from collections.abc import Callable

from catalog.synthetic import hardware, packages, produce, strangers, tools
from catalog.synthetic.drawing import Drawing
from catalog.synthetic.meshes import Surface

Builder = Callable[[Drawing], list[Surface]]

SHAPES: dict[str, Builder] = {
    builder.__name__: builder
    for builder in (
        packages.can,
        packages.tin,
        packages.bottle,
        packages.jar,
        packages.tub,
        packages.carton,
        packages.milk,
        packages.pouch,
        packages.tube,
        packages.flask,
        strangers.mug,
        strangers.book,
        strangers.pot,
        strangers.block,
        strangers.ball,
        strangers.phone,
        strangers.shoe,
        strangers.spectacles,
        strangers.star,
        strangers.key,
        strangers.hand,
        *produce.BUILDERS,
        *tools.BUILDERS,
        *hardware.BUILDERS,
    )
}

FROM_ABOVE = {  # degrees by which a shape is seen from above
    "": 11.0,
    **{builder.__name__: 0.0 for builder in (*tools.BUILDERS, *hardware.BUILDERS)},
    "torch": 11.0,
    "bulb": 11.0,
    "avocado": 0.0,
    "banana": 0.0,
    "citrus": 4.0,
    "hand": 0.0,
}


def surfaces(drawing: Drawing) -> list[Surface]:
    """Make the surfaces of a drawing."""
    return SHAPES[drawing.shape](drawing)
