"""``POST /api/sightings/{id}/verdict``: staff says whether an answer was right.

As every route that changes something, it is guarded by `edge.web.staff.access`.
"""

from __future__ import annotations

from dataclasses import replace

from flask import Flask, Response, jsonify

from catalog.recognition.decision import Verdict
from edge.history.kept import kept_sighting
from edge.sighting import Judgement, Sighting
from edge.web.interfaces import ServedAppliance
from edge.web.problems import ProblemError
from edge.web.staff.body import body
from edge.words import Words

LONGEST_SKU = 1000
WANTED = (
    'Send {"verdict": "right"}, {"verdict": "wrong"}, {"verdict": "foreign"}, or {"verdict": '
    '"item", "sku": "4711"} with the item that it was.'
)


def add_judging(app: Flask, appliance: ServedAppliance) -> None:
    """Serve the route."""

    def judge(sighting_id: str) -> Response:
        sighting, is_whole = _find(appliance, sighting_id)
        judgement = replace(_judgement(sighting, body()), knows_shown=is_whole)
        if judgement.sku and appliance.catalogue.item(judgement.sku) is None:
            raise ProblemError(
                422, Words("The catalogue has no item {sku}.", sku=judgement.sku[:100])
            )
        appliance.judge(judgement)
        return jsonify(
            {
                "sighting": sighting.id,
                "verdict": judgement.verdict,
                "sku": judgement.sku or None,
            }
        )

    app.add_url_rule(
        "/api/sightings/<sighting_id>/verdict",
        view_func=judge,
        methods=["POST"],
        provide_automatic_options=False,
    )


def _find(appliance: ServedAppliance, sighting_id: str) -> tuple[Sighting, bool]:
    """The sighting, and whether it is whole: one of the last, not only kept by the history.

    Raises:
        ProblemError: 404, there is none.
        VisualSearchError: The history cannot be read.
    """
    last = appliance.latest.find(sighting_id)
    if last is not None:
        return last, True
    history = appliance.history
    sighting = None if history is None else kept_sighting(history.history, sighting_id)
    if sighting is None:
        raise ProblemError(
            404,
            Words(
                "There is no sighting {id} any more, among the last ones or in the history.",
                id=sighting_id[:60],
            ),
        )
    return sighting, False


def _judgement(sighting: Sighting, given: dict[str, object]) -> Judgement:
    """Read a judgement.

    Raises:
        ProblemError: 400, it is none; 409, there was nothing to judge.
    """
    if sighting.verdict is Verdict.NOTHING:
        raise ProblemError(409, "Nothing was there, so there is no answer to judge.")
    match given:
        case {"verdict": "right" | "wrong" | "foreign" as verdict, **rest} if not rest:
            return Judgement(sighting, verdict)
        case {"verdict": "item", "sku": str(sku), **rest} if not rest and sku:
            if len(sku) > LONGEST_SKU:
                raise ProblemError(400, f"The sku is longer than {LONGEST_SKU} letters.")
            return Judgement(sighting, "item", sku)
    raise ProblemError(400, f"That is no verdict. {WANTED}")
