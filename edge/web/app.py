"""The Flask application: the page, the API and the streams of one device."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from flask import Flask, Response, request

from edge.web.api import Api
from edge.web.branding import Appearance, add_branding
from edge.web.compression import compress_page
from edge.web.interfaces import DeviceControls, DeviceSetup, ServedAppliance
from edge.web.judging import add_judging
from edge.web.matches import add_matches
from edge.web.own_address import add_own_address
from edge.web.page import add_page
from edge.web.phones import add_item_codes, item_addresses
from edge.web.plain import add_plain
from edge.web.problems import answer_with_problems
from edge.web.proxies import Network, TrustedProxies
from edge.web.searches import Searches
from edge.web.security import protect
from edge.web.staff.access import Access
from edge.web.staff.controls import Controls
from edge.web.staff.history import HistoryRoutes
from edge.web.staff.pin import StaffPin
from edge.web.staff.settings import SettingsRoutes
from edge.web.staff.setup import SetupRoutes
from edge.web.staff.status import add_status
from edge.web.staff.teach import Teach
from edge.web.streams import Streams, add_streams
from edge.web.tls import Tls, add_authority, require_tls
from edge.web.uploads import MOST_BYTES
from edge.web.visitors import add_visitors

if TYPE_CHECKING:
    from edge.web.announcement import Announcement

THREADS = 64
MOST_STREAMS = THREADS - 16  # the other threads stay free for short answers
HERE = Path(__file__).parent


def create_app(  # noqa: PLR0913  # wires everything together
    appliance: ServedAppliance,
    most_streams: int = MOST_STREAMS,
    names: Iterable[str] = (),
    announcement: Announcement | None = None,
    trusted: Iterable[Network] = (),
    tls: Tls | None = None,
    *,
    appearance: Appearance | None = None,
    state_folder: Path | None = None,
    controls: DeviceControls | None = None,
    setup: DeviceSetup | None = None,
) -> Flask:
    """Make the application that shows an appliance.

    Args:
        appliance: The appliance.
        most_streams: How many event and picture streams may be open together.
        names: Further host names and addresses of the device, as of a reverse proxy in front.
        announcement: Announces the page in the local network; None to stay unannounced.
        trusted: Where reverse proxies are that are believed who asks, and for which name.
        tls: What connections are encrypted with; None for plain HTTP.
        appearance: How the page looks; None for its own look.
        state_folder: Where the staff's PIN is kept; None where nobody can enter the staff's area.
        controls: What staff do with the whole device; None where they cannot.
        setup: What sets a fresh device up; None where that is done elsewhere.
    """
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = MOST_BYTES
    app.json.sort_keys = False  # type: ignore[attr-defined]  # attributes keep their order
    app.url_map.merge_slashes = False  # a stock keeping unit may contain two slashes
    page, appearance = page_files_digest(), appearance or Appearance()
    names, trusted = frozenset(names), tuple(trusted)
    streams = Streams(most_streams)
    searches = Searches(appliance)
    protect(app, names, lambda: announcement.host if announcement else "", lan=appliance.lan)
    if tls is not None:
        require_tls(app)
    answer_with_problems(app)
    pin = StaffPin(state_folder) if state_folder is not None else None
    on_device = not trusted or any(network.is_loopback for network in trusted)
    code = setup.code if setup is not None else ""
    access = Access(pin, silent_proxy=bool(names) and on_device, code=code)
    access.add_to(app)
    item_address = item_addresses(announcement)
    Api(appliance, searches, streams, page, item_address).add_to(app)
    searches.add_to(app)
    add_streams(app, appliance, streams, page)
    add_judging(app, appliance)
    add_visitors(app, appliance, access.is_here)
    add_matches(app, appliance)
    add_plain(app, appliance)
    add_branding(app, appearance.look)
    add_page(app, appearance, page)
    compress_page(app)
    add_authority(app, tls)
    add_item_codes(app, appliance, item_address)
    add_own_address(app, announcement, show=appearance.show_address)
    add_status(app, appliance, state_folder)
    Teach(appliance).add_to(app)
    HistoryRoutes(appliance).add_to(app)
    Controls(appliance, controls).add_to(app)
    SettingsRoutes(controls.settings if controls is not None else None).add_to(app)
    SetupRoutes(setup, access).add_to(app)

    def add_last_slash() -> Response | None:
        """Send /search to /search/, which the page's relative addresses need."""
        if request.environ["PATH_INFO"]:
            return None
        return Response(status=308, headers={"Location": f"{request.script_root}/"})

    def metrics() -> Response:
        from edge.web.metrics import Metrics  # here, because few devices are asked for them

        return Metrics(appliance).answer()

    app.before_request(add_last_slash)
    app.add_url_rule("/metrics", view_func=metrics)
    app.wsgi_app = TrustedProxies(app.wsgi_app, trusted)  # type: ignore[method-assign]
    return app


def page_files_digest() -> str:
    """Twelve hex digits that change whenever one of the page's files changes."""
    digest = hashlib.sha256()
    for folder in ("templates", "static", "locale"):
        for file in sorted((HERE / folder).iterdir()):
            if file.is_file():
                digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:12]
