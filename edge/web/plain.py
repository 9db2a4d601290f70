"""The plain page: the latest answer without a script, for browsers too old for the page."""

from __future__ import annotations

from flask import Flask, render_template, request

from catalog.recognition.decision import Verdict
from edge.sighting import Sighting
from edge.web.documents import catalogue_document, sighting_document
from edge.web.interfaces import ServedAppliance

RENEWED_SECONDS = 3
TURNS = 100  # so often it renews itself, then it tries the page: a kiosk is never left here
CLEAR = 0.95  # probability from which a match counts as clear; as in words.js
CERTAINTY = ((0.9, "Very likely"), (0.6, "Probably"), (0.0, "Perhaps"))  # each from; as there
NEXT_BEST = 3


def add_plain(app: Flask, appliance: ServedAppliance) -> None:
    """Serve `/plain`."""

    def plain() -> str:
        text = request.args.get("turn", "")
        turn = int(text) if text.isascii() and text.isdigit() and len(text) < 4 else 0
        newest, root = appliance.latest.leading(), request.script_root
        return render_template(
            "plain.html",
            after=RENEWED_SECONDS,
            root=root,
            next=f"{root}/" if turn >= TURNS else f"{root}/plain?turn={turn + 1}",
            catalogue=catalogue_document(appliance),
            camera=appliance.camera(),
            sighting=sighting_document(newest, root) if newest else {"verdict": Verdict.NOTHING},
            confidence=_confidence(newest) if newest else "",
            most=NEXT_BEST,
        )

    app.add_url_rule("/plain", view_func=plain)


def _confidence(sighting: Sighting) -> str:
    """How confident the answer is, in a visitor's words."""
    if sighting.code:
        return "Read from its code"
    if sighting.guesses:
        return "Perhaps this one" if len(sighting.guesses) == 1 else "Perhaps one of these"
    if sighting.verdict is Verdict.ONE_OF:
        together = sum(match.confidence for match in sighting.matches)
        return f"{_certainty(together)} one of these"
    sure = sighting.matches[0].confidence if sighting.matches else 0.0
    return "A clear match" if sure >= CLEAR else f"{_certainty(sure)} this one"


def _certainty(probability: float) -> str:
    return next(words for least, words in CERTAINTY if probability >= least)
