"""``POST /matches``, as the API of AWS's visual search sample answers it, for its web app.

The app posts JSON from another origin, turns every ' of the answer's ``body`` into " and parses
the result as JSON (github.com/awslabs/visual-search, API/lambda_function.py and
web-app/app/controllers/searchControllers.js). It stops asking at the first error. The sample's
search always answers with four items, and the app relies on it: AngularJS leaves the former
picture where a new answer has none.
"""

from __future__ import annotations

import json
from urllib.parse import urljoin

from flask import Flask, Response, jsonify, request

from edge.web.documents import Document, photo_address
from edge.web.interfaces import ServedAppliance

FOR_ALL_SITES = {"Access-Control-Allow-Origin": "*"}
PREFLIGHT = FOR_ALL_SITES | {
    "Access-Control-Allow-Methods": "POST",
    "Access-Control-Allow-Headers": "Authorization, Content-Type",  # what the app may send
    "Access-Control-Max-Age": "7200",  # seconds
}
ANSWERED = 4  # matches in each answer
# A transparent pixel; an empty address would leave the former picture, too.
BLANK_PICTURE = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
BLANK: Document = {"id": "", "title": "", "url": BLANK_PICTURE}


def add_matches(app: Flask, appliance: ServedAppliance) -> None:
    """Serve `POST /matches` and its preflight."""

    def matches() -> Response:
        if request.method == "OPTIONS":
            return Response(status=204, headers=PREFLIGHT)
        body = json.dumps({"matches": _matches(appliance)})
        answer = jsonify(
            {
                "statusCode": "200",
                "headers": {"Content-type": "application/json"},
                "body": body.replace("'", "\\u0027"),  # in JSON a ' occurs inside strings only
            }
        )
        answer.headers.extend(FOR_ALL_SITES)
        return answer

    app.add_url_rule(
        "/matches",
        view_func=matches,
        methods=["POST", "OPTIONS"],
        provide_automatic_options=False,
    )


def _matches(appliance: ServedAppliance) -> list[Document]:
    """The best four items of the newest sighting, best first; blanks where it has fewer.

    All four are blanks while the camera is offline.
    """
    newest = appliance.latest.leading()
    found: list[Document] = []
    if newest is not None and appliance.camera().state == "online":
        found = [
            {
                "id": match.item.sku,
                "title": match.item.title,
                "url": urljoin(
                    request.host_url, photo_address(newest.bundle, match.photo, request.script_root)
                ),
            }
            for match in newest.matches[:ANSWERED]
            if match.photo is not None
        ]
    return found + [BLANK] * (ANSWERED - len(found))
