"""The settings that a shop changes: shown, changed, and the last change undone."""

from __future__ import annotations

from dataclasses import asdict

from flask import Flask, Response, jsonify

from catalog.core.errors import SettingsError, ShelfError
from edge.shop_settings import ShopSettings
from edge.web.problems import ProblemError
from edge.web.staff.access import STAFF_PATH
from edge.web.staff.body import body
from edge.web.staff.sentences import sentence

NO_SETTINGS = "The settings of this device cannot be changed from its page."


class SettingsRoutes:
    """The routes.

    Args:
        settings: The settings; None where they cannot be changed.
    """

    def __init__(self, settings: ShopSettings | None) -> None:
        self._settings = settings

    def add_to(self, app: Flask) -> None:
        """Serve the routes."""
        path = f"{STAFF_PATH}settings"
        app.add_url_rule(path, view_func=self.shop_settings)
        app.add_url_rule(path, view_func=self.change_settings, methods=["POST"])
        app.add_url_rule(path, view_func=self.undo_settings, methods=["DELETE"])

    def shop_settings(self) -> Response:
        """The settings, and whether the last change can be undone."""
        settings = self._known()
        try:
            return jsonify(
                {
                    "settings": [asdict(setting) for setting in settings.settings()],
                    "file": str(settings.file),
                    "needs_restart": settings.needs_restart,
                    "can_undo": settings.can_undo,
                }
            )
        except SettingsError as error:
            raise ProblemError(409, sentence(str(error))) from error

    def change_settings(self) -> Response:
        """Change settings, by their names."""
        try:
            self._known().change(body())
        except (SettingsError, ShelfError) as error:
            raise ProblemError(409, sentence(str(error))) from error
        return self.shop_settings()

    def undo_settings(self) -> Response:
        """Undo the last change."""
        try:
            self._known().undo()
        except (SettingsError, ShelfError) as error:
            raise ProblemError(409, sentence(str(error))) from error
        return self.shop_settings()

    def _known(self) -> ShopSettings:
        if self._settings is None:
            raise ProblemError(409, NO_SETTINGS)
        return self._settings
