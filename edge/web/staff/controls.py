"""What staff do with the whole device: check for a catalogue, go back, restart; and its log."""

from __future__ import annotations

from collections.abc import Callable

from flask import Flask, Response, jsonify

from catalog.core.errors import ContentError, SettingsError, ShelfError
from edge.web.interfaces import DeviceControls, ServedAppliance
from edge.web.problems import ProblemError
from edge.web.staff.access import STAFF_PATH
from edge.web.staff.body import body
from edge.web.staff.sentences import sentence

NO_CONTROLS = "This device cannot be controlled from its page."


class Controls:
    """The routes.

    Args:
        appliance: The appliance.
        controls: What is done; None where nothing can be done.
    """

    def __init__(self, appliance: ServedAppliance, controls: DeviceControls | None) -> None:
        self._appliance, self._controls = appliance, controls

    def add_to(self, app: Flask) -> None:
        """Serve the routes."""
        app.add_url_rule(f"{STAFF_PATH}action", view_func=self.act, methods=["POST"])
        app.add_url_rule(f"{STAFF_PATH}log", view_func=self.log)

    def act(self) -> Response:
        """Do what the request names, and say what was done."""
        match body():
            case {"action": "camera-again", **rest} if not rest:
                self._appliance.open_camera_again()
                return jsonify({"message": "The camera is opened again."})
            case {"action": str(name), **rest} if not rest and name in self._actions():
                try:
                    return jsonify({"message": sentence(self._actions()[name]())})
                except (ContentError, SettingsError, ShelfError) as error:
                    raise ProblemError(409, sentence(str(error))) from error
        known = ", ".join(["camera-again", *self._actions()])
        raise ProblemError(400, f'Send {{"action": NAME}} with one of: {known}.')

    def log(self) -> Response:
        """The last lines of the log."""
        lines = self._controls.log_lines() if self._controls is not None else ()
        return jsonify({"lines": list(lines)})

    def _actions(self) -> dict[str, Callable[[], str]]:
        controls = self._controls
        if controls is None:
            raise ProblemError(409, NO_CONTROLS)
        return {
            "sync-now": controls.sync_now,
            "go-back": controls.go_back,
            "follow-again": controls.follow_again,
            "restart": controls.restart,
        }
