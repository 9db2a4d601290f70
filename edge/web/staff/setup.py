"""The routes that set a fresh device up from its page; all but the page itself are the staff's."""

from __future__ import annotations

import re
from dataclasses import asdict

from flask import Flask, Response, jsonify, redirect, request
from werkzeug.wrappers import Response as AnyResponse

from catalog.core.errors import VisualSearchError
from edge.web.interfaces import DeviceSetup
from edge.web.problems import ProblemError
from edge.web.staff.access import STAFF_PATH, Access
from edge.web.staff.body import body
from edge.web.staff.sentences import sentence, sentence_of
from edge.web.uploads import uploaded_photo
from edge.words import document_of

LONGEST = 500  # characters of a camera's or a folder's name


class SetupRoutes:
    """The routes.

    Args:
        setup: What sets the device up; None where it is set up elsewhere.
        access: Guards them, and knows whether a PIN is set.
    """

    def __init__(self, setup: DeviceSetup | None, access: Access) -> None:
        self._setup = setup
        self._access = access

    def add_to(self, app: Flask) -> None:
        """Serve the routes, and lead who opens the page of a fresh device to them."""
        path = f"{STAFF_PATH}setup"
        app.before_request(self._lead)
        app.add_url_rule(path, view_func=self.setup_choices)
        app.add_url_rule(path, view_func=self.set_up, methods=["POST"])
        app.add_url_rule(f"{path}/camera.jpg", view_func=self.setup_picture)
        app.add_url_rule(f"{path}/code", view_func=self.owner_code, methods=["POST"])

    def setup_choices(self) -> Response:
        """Cameras, catalogues and settings to choose from."""
        setup = self._open()
        try:
            return jsonify(
                {
                    "cameras": [
                        {**asdict(camera), "words": document_of(camera.problem)}
                        for camera in setup.cameras()
                    ],
                    "catalogues": list(setup.catalogues()),
                    "settings": [asdict(setting) for setting in setup.settings.settings()],
                }
            )
        except VisualSearchError as error:
            raise ProblemError(409, sentence(str(error))) from error

    def setup_picture(self) -> Response:
        """A picture of a camera, JPEG."""
        camera = request.args.get("camera", "")
        if not camera or len(camera) > LONGEST or not camera.isprintable():
            raise ProblemError(400, "Name the camera, as in ?camera=/dev/video0.")
        width = request.args.get("width", "")
        if not re.fullmatch("[0-9]{0,4}", width):
            raise ProblemError(400, "The width is a number of pixels, as in &width=1280.")
        try:
            setup = self._open()
            jpeg = setup.picture(camera, int(width)) if width else setup.picture(camera)
        except VisualSearchError as error:
            raise ProblemError(409, sentence_of(error)) from error
        return Response(jpeg, content_type="image/jpeg", headers={"Cache-Control": "no-store"})

    def owner_code(self) -> Response:
        """The settings that the owner's code in the picture of the request holds; none there."""
        photo = uploaded_photo(request)
        try:
            found = self._open().owner_code(photo.image)
        except VisualSearchError as error:
            raise ProblemError(422, sentence(str(error))) from error
        return jsonify({"settings": dict(found)})

    def set_up(self) -> Response:
        """Set the device up."""
        wanted = body()
        values, catalogue, root = (wanted.get(key) for key in ("settings", "catalogue", "root"))
        if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
            raise ProblemError(400, 'Send the settings by their names, as {"settings": {}}.')
        if not isinstance(catalogue, str | None) or not isinstance(root, str | None):
            raise ProblemError(400, "The catalogue and the owner's root.json are texts.")
        try:
            done = self._open().set_up(values, catalogue or "", root or "")
        except VisualSearchError as error:
            raise ProblemError(409, sentence(str(error))) from error
        return jsonify(asdict(done))

    def _open(self) -> DeviceSetup:
        if self._setup is None or not self._setup.is_open():
            raise ProblemError(
                409, "This device is set up already; its settings are at /staff, and in its file."
            )
        return self._setup

    def _lead(self) -> AnyResponse | None:
        """Lead from a fresh device's own screen to its setup, and else from there to the staff.

        Other visitors see what the device waits for.
        """
        if request.endpoint not in ("show_page", "setup_page"):
            return None
        is_open = self._setup is not None and self._setup.is_open()
        if request.endpoint == "setup_page":
            return None if is_open else redirect(f"{request.script_root}/staff")
        if is_open and not self._access.has_pin and "kiosk" in request.args:
            return redirect(f"{request.script_root}/setup")
        return None
