"""What a visitor says at the device's own screen: "this one", and "tell the staff".

Nobody enters a PIN for that, so it does little: it is noted beside the sighting, half a look counts
as an item's, and staff decide.
"""

from __future__ import annotations

from collections.abc import Callable

from flask import Flask, Response, jsonify

from edge.web.interfaces import ServedAppliance
from edge.web.problems import ProblemError
from edge.web.staff.body import body

WANTED = 'Send {"chosen": "4711"} with an item that was shown, or {"wanted": true}.'


def add_visitors(app: Flask, appliance: ServedAppliance, is_here: Callable[[], bool]) -> None:
    """Serve `POST /api/sightings/{id}/visitor`.

    Args:
        app: The application.
        appliance: The appliance.
        is_here: Whether the request comes from a browser on the device itself.
    """

    def hear_visitor(sighting_id: str) -> Response:
        if not is_here():
            raise ProblemError(403, "Only the device's own screen may say what a visitor chose.")
        sighting = appliance.latest.find(sighting_id)
        if sighting is None:
            raise ProblemError(404, "There is no such sighting any more; only the last stay.")
        shown = {found.item.sku for found in (*sighting.matches, *sighting.guesses)}
        history = appliance.history
        match body():
            case {"chosen": str(sku), **rest} if not rest and sku in shown:
                appliance.choose(sighting, sku)
            case {"wanted": True, **rest} if not rest:
                if history is not None:
                    history.want(sighting.id)
            case _:
                raise ProblemError(400, WANTED)
        return jsonify({"noted": history is not None})

    app.add_url_rule(
        "/api/sightings/<sighting_id>/visitor",
        view_func=hear_visitor,
        methods=["POST"],
        provide_automatic_options=False,
    )
