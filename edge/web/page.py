"""The visitor's page and the staff's, in the language of who opens it."""

from __future__ import annotations

import json

from flask import Flask, Response, jsonify, render_template, request
from markupsafe import Markup

from edge.web.branding import Appearance
from edge.web.languages import FROM_RIGHT_TO_LEFT, LANGUAGES, choose_language, sentences
from edge.web.problems import ProblemError
from edge.web.security import CONTENT_SECURITY_POLICY


def add_page(app: Flask, appearance: Appearance, digest: str) -> None:
    """Serve the page, the staff's area, and the setup of a fresh device.

    Args:
        app: The application.
        appearance: How the page looks.
        digest: That of the page's files; an open page that has another one reloads itself.
    """
    look = appearance.look

    def show_page() -> str:
        return shown("page.html", of_staff=False)

    def staff() -> str:
        return shown("staff.html", of_staff=True)

    def setup_page() -> str:
        return shown("setup.html", of_staff=True)

    def shown(template: str, *, of_staff: bool) -> str:
        asked, accepted = request.args.get("lang", ""), request.accept_languages
        language = choose_language(asked, accepted, look.language)
        known = sentences(language)
        return render_template(
            template,
            page=digest,
            root=request.script_root,
            look=look,
            kiosk=kiosk_mode(appearance),
            language=language,
            languages=LANGUAGES,
            direction="rtl" if language in FROM_RIGHT_TO_LEFT else "ltr",
            sentences=_json(sentences(language, at_once=True, of_staff=of_staff)),
            say=lambda text: known.get(text, text),
        )

    def allow_frames(response: Response) -> Response:
        """Let the settings' sites show the page, and nothing else of this device, in a frame."""
        if request.endpoint == "show_page" and appearance.frame_ancestors:
            sites = " ".join(appearance.frame_ancestors)
            policy = CONTENT_SECURITY_POLICY.replace(
                "frame-ancestors 'none'", f"frame-ancestors {sites}"
            )
            response.headers["Content-Security-Policy"] = policy
        return response

    def later_sentences(language: str) -> Response:
        """What the device and the page's late scripts say, by the English sentences."""
        if language not in LANGUAGES:
            raise ProblemError(404, f"The page does not speak {language[:20]}.")
        return jsonify(sentences(language, later=True))

    app.after_request(allow_frames)
    app.add_url_rule("/sentences/<language>.json", view_func=later_sentences)
    app.add_url_rule("/", view_func=show_page)
    app.add_url_rule("/staff", view_func=staff)
    app.add_url_rule("/setup", view_func=setup_page)


def kiosk_mode(appearance: Appearance) -> str:
    """Where visitors must not leave the page; as dom.js reads it."""
    if "kiosk" in request.args:
        return "everywhere"
    return "own-screen" if appearance.kiosk else ""


def _json(known: dict[str, str]) -> Markup:
    """Sentences as JSON that may stand in a script element; shorter than Flask's, all in ASCII."""
    text = json.dumps(known, ensure_ascii=False, separators=(",", ":")) if known else ""
    return Markup(text.replace("<", "\\u003c"))  # noqa: S704 - nothing in it ends the element
