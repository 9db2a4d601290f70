"""Let nobody change anything who has not entered the staff's PIN."""

from __future__ import annotations

import math
import secrets
import threading

from flask import Flask, Response, jsonify, request

from catalog.core.errors import ContentError
from edge.web.problems import ProblemError
from edge.web.proxies import WAS_FORWARDED, client_address
from edge.web.security import HARMLESS_METHODS, host_name
from edge.web.staff.body import body
from edge.web.staff.pin import LockedOutError, StaffPin, WrongPinError
from edge.web.staff.sessions import Session, Sessions
from edge.words import words_of

COOKIE = "visual-search-staff"
TOKEN_HEADER = "X-Staff-Token"  # noqa: S105 - the header's name
STAFF_PATH = "/api/staff/"
OPEN_VIEWS = frozenset(
    # these two only read; the next three are the way in; the last one is for the device's own
    # screen alone, and only notes what a visitor said
    ("matches", "search", "staff_session", "enter_pin", "set_pin", "hear_visitor")
)
ENTER = "Enter the staff's PIN at /staff first."
MOST_WRONG_CODES = 10  # of the console's code; then only the device itself can set the first PIN


class Access:
    """Guards every route that changes something, and those below `STAFF_PATH`.

    A route is guarded unless it is named here: who adds one cannot forget the guard.

    Args:
        pin: The staff's PIN; None where the device has no place to keep one: then nobody enters.
        silent_proxy: Whether a reverse proxy on the device may pass on requests without saying so,
            if only because its headers were forgotten: then none counts as one from the device
            itself.
        code: Sets the first PIN from elsewhere; empty where that cannot be.
    """

    def __init__(self, pin: StaffPin | None, *, silent_proxy: bool = False, code: str = "") -> None:
        self._pin = pin
        self._silent_proxy = silent_proxy
        self._code, self._codes_left = code, MOST_WRONG_CODES
        self._code_lock = threading.Lock()
        self._sessions = Sessions()

    def add_to(self, app: Flask) -> None:
        """Guard the routes of `app`, and serve the way in."""
        app.before_request(self._guard)
        path = f"{STAFF_PATH}session"
        app.add_url_rule(path, "staff_session", self.session)
        app.add_url_rule(path, "enter_pin", self.enter_pin, methods=["POST"])
        app.add_url_rule(path, "leave", self.leave, methods=["DELETE"])
        app.add_url_rule(f"{STAFF_PATH}pin", "set_pin", self.set_pin, methods=["POST"])

    def session(self) -> Response:
        """Whether a PIN is set, may be set from here, and was entered."""
        return self._answer(self._session())

    def enter_pin(self) -> Response:
        """Begin a session with the PIN of the request."""
        pin = self._the_pin()
        try:
            mark = pin.check(_pin_of_request(), here=self.is_here())
        except WrongPinError as error:
            raise ProblemError(403, words_of(error), _retry_after(error.seconds)) from error
        except LockedOutError as error:
            raise ProblemError(429, words_of(error), _retry_after(error.seconds)) from error
        return self._begin(mark)

    @property
    def has_pin(self) -> bool:
        """Whether a PIN is set."""
        return self._pin is not None and bool(self._pin.mark)

    def set_pin(self) -> Response:
        """Set the first PIN, at the device itself or with its code, and begin a session."""
        pin = self._the_pin()
        if not self.is_here() and not self._knows_code():
            page = "" if self._silent_proxy else "open http://localhost there, or "
            raise ProblemError(
                403,
                f"The first PIN is set on the device itself: {page}run 'visual-search edge pin'.",
            )
        try:
            done = pin.set(_pin_of_request(), replace=False)
        except ContentError as error:
            raise ProblemError(400, words_of(error)) from error
        if not done:
            raise ProblemError(
                409, "There is a PIN already; 'visual-search edge pin' on the device sets another."
            )
        return self._begin(pin.mark)

    def leave(self) -> Response:
        """End the session."""
        self._sessions.end(request.cookies.get(COOKIE, ""))
        response = self._answer(None)
        response.delete_cookie(COOKIE, path=request.script_root or "/")
        return response

    def _guard(self) -> None:
        """Refuse the request unless it only reads, or comes with a session and its token."""
        changes = request.method not in HARMLESS_METHODS
        if request.endpoint is None or request.endpoint in OPEN_VIEWS:
            return
        if not changes and not request.path.startswith(STAFF_PATH):
            return
        session = self._session()
        if session is None:
            raise ProblemError(401, ENTER)
        token = request.headers.get(TOKEN_HEADER, "")
        if changes and not secrets.compare_digest(token.encode(), session.token.encode()):
            raise ProblemError(403, f"The header {TOKEN_HEADER} is not this session's.")

    def _session(self) -> Session | None:
        cookie = request.cookies.get(COOKIE)
        if not cookie or self._pin is None:
            return None
        return self._sessions.find(cookie, self._pin.mark)

    def _knows_code(self) -> bool:
        """Whether the request brings the code of the device's console.

        Raises:
            ProblemError: It brings another one.
        """
        given = body().get("code")
        if not self._code or not isinstance(given, str) or not given:
            return False
        digits = "".join(letter for letter in given if letter.isdecimal())
        with self._code_lock:
            fits = secrets.compare_digest(digits.encode(), self._code.encode())
            if fits and self._codes_left:
                return True
            self._codes_left = max(0, self._codes_left - 1)
            if not self._codes_left:
                raise ProblemError(
                    403, "Too many wrong codes came; start the device again, for another code."
                )
        raise ProblemError(403, "That is not the code that this device printed on its console.")

    def _the_pin(self) -> StaffPin:
        if self._pin is None:
            raise ProblemError(403, "This device has no folder to keep a PIN in.")
        return self._pin

    def _begin(self, mark: str) -> Response:
        cookie, session = self._sessions.begin(mark, here=self.is_here())
        response = self._answer(session)
        response.set_cookie(
            COOKIE,
            cookie,
            path=request.script_root or "/",
            secure=request.is_secure,
            httponly=True,
            samesite="Strict",
        )
        return response

    def _answer(self, session: Session | None) -> Response:
        may_set = not self.has_pin and self._pin is not None
        return jsonify(
            {
                "pin_set": self.has_pin,
                "may_set_pin": may_set and self.is_here(),
                "takes_code": may_set and not self.is_here() and bool(self._code),
                "encrypted": request.is_secure or self.is_here(),
                "token": session.token if session else None,
            }
        )

    def is_here(self) -> bool:
        """Whether the request comes from a browser on the device itself."""
        address = client_address(request.remote_addr or "")
        name = host_name(request.headers.get("Host", ""))
        host = client_address(name)
        at_localhost = name == "localhost" or (host is not None and host.is_loopback)
        proxied = self._silent_proxy or bool(request.environ.get(WAS_FORWARDED))
        return address is not None and address.is_loopback and at_localhost and not proxied


def _retry_after(seconds: float) -> dict[str, str]:
    """The header that says when the next PIN is looked at; none where that is at once."""
    return {"Retry-After": str(math.ceil(seconds))} if seconds > 0 else {}


def _pin_of_request() -> str:
    pin = body().get("pin")
    if not isinstance(pin, str):
        raise ProblemError(400, 'Send a JSON object with the PIN, as {"pin": "..."}.')
    return pin
