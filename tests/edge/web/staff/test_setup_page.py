"""A fresh device is set up on its page: by whom, with what, and only as long as it is fresh."""

from __future__ import annotations

import io
import re
import shutil
import threading
import tomllib
from collections.abc import Iterator
from hashlib import sha256
from http import HTTPStatus
from pathlib import Path

import cv2
import numpy as np
import pytest
import segno
from flask.testing import FlaskClient
from playwright.sync_api import Browser, Page, Route, expect
from tuf.api.metadata import Metadata, Root

from catalog.bundles.shelf import Shelf
from catalog.core.settings import device_id
from edge.cameras import CameraInfo
from edge.cameras.refusals import IN_USE
from edge.setup import first_catalogue
from edge.setup.on_page import PageSetup
from edge.web.app import create_app
from edge.web.server import Server
from edge.web.staff.access import MOST_WRONG_CODES, TOKEN_HEADER
from sync.owner_code import owner_code
from tests.support.accessibility import violations
from tests.support.browsing import visiting
from tests.support.page_faults import faults
from tests.support.web_stand_in import StandInCatalogue, StandInDevice

PIN = "493028"
FROM_NETWORK = {"environ_base": {"REMOTE_ADDR": "192.168.1.50"}}
SETUP = "/api/staff/setup"
# The end of a setup after which only the device itself opens its page.
FINISHED_ALONE = """import("./static/staff-finished.js").then(({ finish }) => finish({
  restarts: false, command: "", needs_restart: true,
  name: "Ours", address: "http://localhost:8080/", identity: "12ab", code: "",
}))"""
BLANK = cv2.imencode(".png", np.zeros((90, 90, 3), np.uint8))[1].tobytes()


class Fresh:
    """A device without a catalogue and a PIN, and what is asked of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.restarts = 0
        self.file = folder / "visual-search.toml"
        self.file.write_text(f'# ours\n[device]\ndata_dir = "{folder / "data"}"\n')
        self.pictures = folder / "pictures"
        self.pictures.mkdir()
        cv2.imwrite(str(self.pictures / "0.png"), np.full((240, 320, 3), 90, np.uint8))
        self.cameras = [CameraInfo(str(self.pictures), "A folder of pictures")]
        self.setup = PageSetup(
            self.file,
            self._restart,
            list_all=lambda: self.cameras,
            sticks=[folder / "media"],
        )
        self.device = StandInDevice(lan=True, opened=None)
        self.stopping = self.device.stopping
        self.app = create_app(self.device, state_folder=folder / "data" / "state", setup=self.setup)
        self.client: FlaskClient = self.app.test_client()

    def _restart(self) -> None:
        self.restarts += 1

    def enter(self) -> dict[str, str]:
        """Set the first PIN at the device; the header with the session's token."""
        answer = self.client.post("/api/staff/pin", json={"pin": PIN})
        assert answer.status_code == HTTPStatus.OK, answer.text
        return {TOKEN_HEADER: answer.get_json()["token"]}

    def settings(self) -> dict[str, dict[str, object]]:
        """The settings file."""
        return tomllib.loads(self.file.read_text())


@pytest.fixture
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fresh:
    monkeypatch.delenv("VISUAL_SEARCH_DEVICE__DATA_DIR", raising=False)
    return Fresh(tmp_path)


def test_the_page_of_a_fresh_device_leads_to_its_setup(fresh: Fresh) -> None:
    """Other visitors, and all once there is a PIN, see what it waits for, as ever."""
    assert fresh.client.get("/?kiosk").headers["Location"] == "/setup"
    assert fresh.client.get("/").status_code == HTTPStatus.OK
    page = fresh.client.get("/setup?lang=ja").text
    shown = re.sub(r"<(script|noscript|svg|option)\b.*?</\1>|<[^>]*>", " ", page, flags=re.S)
    words = set(re.findall("[A-Za-z]{2,}", shown))
    assert words <= {"PIN", "root", "json", "rtsp", "http", "dev", "video"}, words
    fresh.enter()
    assert fresh.client.get("/?kiosk").status_code == HTTPStatus.OK
    assert fresh.client.get("/setup").status_code == HTTPStatus.OK
    (fresh.folder / "data" / "shelf" / "versions" / "one").mkdir(parents=True)
    (fresh.folder / "data" / "shelf" / "active").symlink_to("versions/one")
    assert fresh.client.get("/setup").headers["Location"] == "/staff"
    set_up_elsewhere = create_app(StandInDevice()).test_client()
    assert set_up_elsewhere.get("/").status_code == HTTPStatus.OK
    assert set_up_elsewhere.get("/setup").headers["Location"] == "/staff"


def test_from_elsewhere_it_takes_the_code_of_the_console(fresh: Fresh) -> None:
    client, code = fresh.client, fresh.setup.code
    session = client.get("/api/staff/session", **FROM_NETWORK).get_json()
    assert (session["may_set_pin"], session["takes_code"]) == (False, True)
    assert client.get("/api/staff/session").get_json()["takes_code"] is False
    for given in ({}, {"code": ""}, {"code": 7}, {"code": "1" + code[1:] + "0"}, {"code": "é"}):
        answer = client.post("/api/staff/pin", json={"pin": PIN} | given, **FROM_NETWORK)
        assert answer.status_code == HTTPStatus.FORBIDDEN
    written = {"pin": PIN, "code": f"{code[:4]} {code[4:]}"}
    assert client.post("/api/staff/pin", json=written, **FROM_NETWORK).status_code == HTTPStatus.OK
    session = client.get("/api/staff/session", **FROM_NETWORK).get_json()
    assert (session["pin_set"], session["takes_code"]) == (True, False)
    again = client.post("/api/staff/pin", json=written, **FROM_NETWORK)
    assert again.status_code == HTTPStatus.CONFLICT


def test_codes_cannot_be_tried_one_after_the_other(fresh: Fresh) -> None:
    """Then the right one does not help either; who stands at the device is not locked out."""
    wrong = str((int(fresh.setup.code) + 1) % 10**8).zfill(8)
    for _ in range(MOST_WRONG_CODES):
        fresh.client.post("/api/staff/pin", json={"pin": PIN, "code": wrong}, **FROM_NETWORK)
    right = {"pin": PIN, "code": fresh.setup.code}
    answer = fresh.client.post("/api/staff/pin", json=right, **FROM_NETWORK)
    assert answer.status_code == HTTPStatus.FORBIDDEN
    assert "Too many wrong codes" in answer.get_json()["detail"]
    fresh.enter()


def test_without_a_session_nothing_is_shown_or_changed(fresh: Fresh) -> None:
    before = fresh.file.read_text()
    for method, path in (("GET", SETUP), ("POST", SETUP), ("GET", f"{SETUP}/camera.jpg")):
        answer = fresh.client.open(path, method=method, json={"settings": {}})
        assert answer.status_code == HTTPStatus.UNAUTHORIZED
    fresh.enter()
    answer = fresh.client.post(SETUP, json={"settings": {"page.name": "Ours"}})  # no token
    assert answer.status_code == HTTPStatus.FORBIDDEN
    assert fresh.file.read_text() == before


def test_it_writes_settings_and_starts_again(fresh: Fresh) -> None:
    """All others stay, and so do comments; what is wrong changes nothing."""
    headers = fresh.enter()
    choices = fresh.client.get(SETUP).get_json()
    [camera] = choices["cameras"]
    assert camera["source"] == str(fresh.pictures)
    picture = fresh.client.get(f"{SETUP}/camera.jpg", query_string={"camera": camera["source"]})
    decoded = cv2.imdecode(np.frombuffer(picture.data, np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None
    assert decoded.shape == (240, 320, 3)
    missing = fresh.client.get(f"{SETUP}/camera.jpg?camera=/dev/video77")
    assert missing.status_code == HTTPStatus.CONFLICT
    wanted = {"edge.camera": camera["source"], "edge.lan": True, "page.name": "Ours",
              "outbox.transport": "file"}  # fmt: skip
    before = fresh.file.read_text()
    for wrong, said in (
        ({"settings": wanted | {"page.language": "tlh"}}, "language"),
        ({"settings": wanted | {"edge.port": 1}}, "no such setting here"),
        ({"settings": wanted | {"sync.source": "s3://shop/c"}}, "root.json"),
        ({"settings": wanted, "catalogue": "/etc"}, "no catalogue is there"),
        ({"settings": wanted, "root": "{}"}, "The owner's root.json: is no root.json"),
        ({"settings": wanted, "catalogue": 7}, "are texts"),
        ({"settings": [1]}, "by their names"),
    ):
        answer = fresh.client.post(SETUP, json=wrong, headers=headers)
        assert answer.status_code in (HTTPStatus.CONFLICT, HTTPStatus.BAD_REQUEST)
        assert said in answer.get_json()["detail"]
        assert fresh.file.read_text() == before
    answer = fresh.client.post(SETUP, json={"settings": wanted}, headers=headers)
    done = answer.get_json()
    assert done["code"].startswith("data:image/svg+xml"), "others in the network may open the page"
    assert (done["name"], done["identity"]) == (
        "Ours",
        device_id(fresh.folder / "data", make=False),
    )
    assert {key: done[key] for key in ("restarts", "command", "needs_restart")} == {
        "restarts": True, "command": "visual-search sync run", "needs_restart": True,
    }  # fmt: skip
    assert fresh.restarts == 1
    found = fresh.settings()
    assert found["edge"] == {"camera": camera["source"], "lan": True}
    assert found["page"] == {"name": "Ours"}
    assert fresh.file.read_text().startswith("# ours\n")


def test_a_catalogue_that_cannot_be_used_leaves_the_settings(fresh: Fresh) -> None:
    headers = fresh.enter()
    broken = fresh.folder / "media" / "root" / "STICK" / "shop.bundle"
    broken.mkdir(parents=True)
    (broken / "manifest.json").write_text("{}")
    assert fresh.client.get(SETUP).get_json()["catalogues"] == [str(broken)]
    before = fresh.file.read_text()
    wanted = {"settings": {"page.name": "Ours"}, "catalogue": str(broken)}
    answer = fresh.client.post(SETUP, json=wanted, headers=headers)
    assert answer.status_code == HTTPStatus.CONFLICT
    assert fresh.file.read_text() == before
    assert fresh.restarts == 0
    same = {setting.name: setting.value for setting in fresh.setup.settings.settings()}
    again = {"settings": same, "catalogue": str(broken)}
    for _ in range(2):  # with the values that the file has there is nothing to undo
        fresh.client.post(SETUP, json=again, headers=headers)
        assert fresh.file.read_text() == before


def test_photos_beside_install_are_built_of(fresh: Fresh, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where that fails, the settings stay."""
    headers = fresh.enter()
    folder = fresh.folder / "media" / "STICK" / "device"
    (folder / "photos" / "cup").mkdir(parents=True)
    for name in ("install", "visual-search_1+deb12_amd64.deb", "photos/cup/1.jpg"):
        (folder / name).touch()
    asked = fresh.folder / "asked"
    program = fresh.folder / "program"
    program.write_text(f'#!/bin/sh\necho "$@" > {asked}\necho "error: x is short" >&2\nexit 1\n')
    program.chmod(0o755)
    monkeypatch.setattr(first_catalogue, "program", lambda: [str(program)])
    photos = str(folder / "photos")
    assert fresh.client.get(SETUP).get_json()["catalogues"] == [photos]
    before = fresh.file.read_text()
    wanted = {"settings": {"page.name": "Ours"}, "catalogue": photos}
    answer = fresh.client.post(SETUP, json=wanted, headers=headers)
    assert answer.status_code == HTTPStatus.CONFLICT
    assert "no catalogue could be built of it: x is short" in answer.get_json()["detail"]
    assert f"catalog build {photos} --out {fresh.folder / 'data'}" in asked.read_text()
    assert fresh.file.read_text() == before
    answer = fresh.client.post(SETUP, json=wanted | {"catalogue": "demonstration"}, headers=headers)
    assert "Demonstration: no catalogue could be built of it: x" in answer.get_json()["detail"]
    assert asked.read_text() == f"catalog draw {fresh.folder / 'data/demo/photos'} --json\n"
    assert fresh.file.read_text() == before
    program.write_text("#!/bin/sh\necho '[]'\n")
    answer = fresh.client.post(SETUP, json=wanted, headers=headers)
    assert answer.status_code == HTTPStatus.CONFLICT
    assert "does not say what is in it" in answer.get_json()["detail"]
    assert fresh.file.read_text() == before
    monkeypatch.setattr(first_catalogue, "program", lambda: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        fresh.setup.set_up({"page.name": "Ours"}, photos, "")
    assert fresh.file.read_text() == before


def test_the_camera_of_the_settings_is_known_by_each_of_its_names(fresh: Fresh) -> None:
    assert [camera.current for camera in fresh.setup.cameras()] == [False]
    link = fresh.folder / "usb-camera"
    link.symlink_to(fresh.pictures)
    with fresh.file.open("a") as file:
        file.write(f'[edge]\ncamera = "{link}"\n')
    assert [camera.current for camera in fresh.setup.cameras()] == [True]


def test_another_root_is_refused_and_a_refused_setup_keeps_none(fresh: Fresh) -> None:
    headers = fresh.enter()
    [first, second] = [Metadata(Root(version=number)).to_bytes().decode() for number in (1, 2)]
    copy = fresh.folder / "data" / "root.json"
    wrong = {"settings": {"page.language": "tlh"}, "root": first}
    assert fresh.client.post(SETUP, json=wrong, headers=headers).status_code == HTTPStatus.CONFLICT
    assert not copy.exists()
    for root, status in ((first, HTTPStatus.OK), (second, HTTPStatus.CONFLICT)):
        answer = fresh.client.post(SETUP, json={"settings": {}, "root": root}, headers=headers)
        assert answer.status_code == status
        assert copy.read_text() == first


def picture_of(text: str) -> bytes:
    """A picture with a QR code, PNG."""
    written = io.BytesIO()
    segno.make_qr(text).save(written, kind="png", scale=4)
    return written.getvalue()


def test_the_owners_code_sets_address_and_root(fresh: Fresh) -> None:
    headers, root = fresh.enter(), Metadata(Root()).to_bytes()
    code = owner_code(root, source="s3://shop/c", region="eu-west-1")
    png = {"content_type": "image/png"}
    for sent, status in (
        (picture_of(code), HTTPStatus.OK),
        (BLANK, HTTPStatus.OK),
        (picture_of("http://shop.example/"), HTTPStatus.UNPROCESSABLE_ENTITY),
        (b"GIF89a", HTTPStatus.UNSUPPORTED_MEDIA_TYPE),
    ):
        answer = fresh.client.post(f"{SETUP}/code", data=sent, headers=headers, **png)
        assert answer.status_code == status, answer.text
        if sent == BLANK:
            assert answer.get_json() == {"settings": {}}
    assert (
        "no code of a catalogue's owner"
        in fresh.client.post(
            f"{SETUP}/code", data=picture_of("http://shop.example/"), headers=headers, **png
        ).get_json()["detail"]
    )
    answer = fresh.client.post(f"{SETUP}/code", data=picture_of(code), **png)
    assert answer.status_code == HTTPStatus.FORBIDDEN, "without the session's token"
    read = {"sync.source": "s3://shop/c", "sync.region": "eu-west-1", "sync.channel": "stable",
            "sync.endpoint_url": "", "sync.root_sha256": sha256(root).hexdigest()}  # fmt: skip
    answer = fresh.client.post(f"{SETUP}/code", data=picture_of(code), headers=headers, **png)
    assert answer.get_json() == {"settings": read}
    copy = fresh.folder / "data" / "root.json"
    copy.write_bytes(b"of another owner")
    answer = fresh.client.post(SETUP, json={"settings": read}, headers=headers)
    assert "has another root.json already" in answer.get_json()["detail"]
    copy.write_bytes(root)
    answer = fresh.client.post(SETUP, json={"settings": read}, headers=headers)
    assert answer.status_code == HTTPStatus.OK, answer.text
    kept = {"source": "s3://shop/c", "region": "eu-west-1", "root_sha256": read["sync.root_sha256"]}
    assert fresh.settings()["sync"] == kept


def test_of_another_owner_nothing_stays(fresh: Fresh) -> None:
    """Whichever way the second one is named, as long as no catalogue of the first one came."""
    headers = fresh.enter()
    first, second = (Metadata(Root(version=number)).to_bytes() for number in (1, 2))

    def set_up(root: str = "", **values: str) -> tuple[int, dict[str, object]]:
        wanted = {"settings": {f"sync.{key}": value for key, value in values.items()}, "root": root}
        answer = fresh.client.post(SETUP, json=wanted, headers=headers)
        written = {key: value for key, value in fresh.settings()["sync"].items() if value}
        return answer.status_code, written

    codes = [
        owner_code(first, source="s3://a/c", channel="north", endpoint_url="https://a.example"),
        owner_code(second, source="s3://b/c"),
    ]
    for code in codes:
        answer = fresh.client.post(
            f"{SETUP}/code", data=picture_of(code), headers=headers, content_type="image/png"
        )
        read = answer.get_json()["settings"]
        status, written = set_up(
            **{name.removeprefix("sync."): value for name, value in read.items()}
        )
        assert status == HTTPStatus.OK
    digest = sha256(second).hexdigest()
    assert written == {"source": "s3://b/c", "channel": "stable", "root_sha256": digest}
    assert set_up(source="s3://b/c") == (HTTPStatus.OK, written), "the same again changes nothing"
    status, unchanged = set_up(source="s3://c/c")
    assert (status, unchanged) == (HTTPStatus.CONFLICT, written), "it has no owner"
    status, written = set_up(first.decode(), source="s3://c/c")
    assert (status, written) == (HTTPStatus.OK, {"source": "s3://c/c", "channel": "stable"})
    assert set_up(first.decode(), source="https://c/c") == (HTTPStatus.CONFLICT, written)
    assert set_up(source="") == (HTTPStatus.OK, {"channel": "stable"}), "from elsewhere now"


@pytest.fixture
def address(fresh: Fresh) -> Iterator[str]:
    server = Server(fresh.app, "127.0.0.1", 0, fresh.stopping)
    thread = threading.Thread(target=server.serve)
    thread.start()
    yield f"http://localhost:{server.port}/"
    server.close()
    thread.join()


def from_another_site(route: Route) -> None:
    """Let a request come from a page of another name."""
    headers = route.request.headers | {"origin": "https://shop.example"}
    route.fulfill(response=route.fetch(headers=headers))


def cameras_say_why_they_give_no_picture(page: Page) -> None:
    """In the page's language, with the PIN; then the way in is closed again."""
    page.get_by_label("PIN").fill(PIN)
    page.get_by_role("button", name="Weiter").click()
    why = page.locator(".cameras .none")
    expect(why.first).to_have_text(
        "Ein anderes Programm benutzt sie; beenden Sie dieses Programm, vielleicht das Gerät "
        "selbst."
    )
    expect(why.last).to_have_text(re.compile("^Kamera /dev/video77 ist nicht da; .*[.]$"))
    expect(page.locator(".cameras .soft").first).to_have_attribute("dir", "ltr")
    page.context.clear_cookies()
    page.reload()


@pytest.mark.slow
@pytest.mark.parametrize("way_in", ["setup", "staff"])
def test_the_way_in_says_why_it_is_closed(
    fresh: Fresh, address: str, browser: Browser, way_in: str
) -> None:
    """By the device's own sentence; a wrong PIN is met every day, and is told in each language."""
    fresh.enter()
    fresh.cameras.append(CameraInfo("/dev/video9", "A busy one", problem=IN_USE))
    fresh.cameras.append(CameraInfo("/dev/video77", "One that was unplugged"))
    with visiting(browser, f"{address}{way_in}?lang=de", server_may_be_away=True) as page:
        if way_in == "setup":
            cameras_say_why_they_give_no_picture(page)
        page.route("**/api/staff/session", from_another_site)
        page.get_by_label("PIN").fill(PIN)
        page.get_by_role("button", name="Weiter").click()
        expect(page.locator("#enter-wrong")).to_contain_text('[edge] names = ["shop.example"]')
        page.unroute("**/api/staff/session")
        page.get_by_label("PIN").fill("771350")
        page.get_by_role("button", name="Weiter").click()
        expect(page.locator("#enter-wrong")).to_have_text(
            "Das ist nicht die PIN. Verbleibende Versuche ohne Wartezeit: 4."
        )
        page.get_by_label("PIN").fill("771350")

        def type_meanwhile(route: Route) -> None:
            page.get_by_label("PIN").fill("771350")
            route.continue_()

        page.route("**/api/staff/session", type_meanwhile)
        for _ in range(4):  # what is typed while the device looks at a PIN is the next one
            with page.expect_response("**/api/staff/session"):
                page.get_by_role("button", name="Weiter").click()
        expect(page.locator("#enter-wait")).to_contain_text("Verbleibende Sekunden:")


@pytest.mark.slow
def test_from_the_first_look_to_a_catalogue_in_a_browser(
    fresh: Fresh, address: str, browser: Browser, small_bundle: Path
) -> None:
    stick = fresh.folder / "media" / "STICK" / "shop.bundle"
    shutil.copytree(small_bundle, stick)
    fresh.cameras.append(CameraInfo("/dev/video9", "A busy one", problem="it is used"))
    with fresh.file.open("a") as file:
        file.write('[outbox]\ntransport = "mqtt"\nendpoint = "broker.example"\n')
    with visiting(browser, f"{address}?kiosk") as page:
        expect(page).to_have_url(f"{address}setup")
        assert violations(page) == []
        page.get_by_label("PIN").fill(PIN)
        page.get_by_role("button", name="Go on").click()
        busy = page.get_by_role("radio", name="A busy one")
        expect(busy).to_be_disabled()
        expect(busy).to_have_css("appearance", "none")  # else it is grey in the dark
        other = page.get_by_label("The address of another camera")
        expect(other).to_have_accessible_description(re.compile("/dev/video0"))
        page.get_by_role("radio", name="A folder of pictures").check()
        expect(page.locator(".cameras img")).to_have_js_property("naturalWidth", 320)
        page.get_by_label("s name", exact=False).fill("Corner <b>shop</b>")
        page.get_by_role("checkbox", name="Others in the network").check()
        reports = page.get_by_label("Reports go")
        expect(reports.locator("option:checked")).to_have_text("broker.example")
        reports.select_option("file")
        page.get_by_label("The catalogue comes").select_option("address")
        root = {"name": "root.json", "mimeType": "application/json", "buffer": b"{}"}
        page.get_by_label("Choose a file").set_input_files(root)  # type: ignore[arg-type]
        expect(page.locator("#root-name")).to_have_text("root.json")
        code = owner_code(b"{}", source="s3://shop/c")
        photo = {"name": "code.png", "mimeType": "image/png", "buffer": BLANK}
        page.locator("#code-photo").set_input_files(photo)  # type: ignore[arg-type]
        expect(page.locator("#code-said")).to_contain_text("No code was seen.")
        (fresh.pictures / "0.png").write_bytes(picture_of(code))
        page.get_by_role("button", name="Read the owner").click()
        expect(page.locator("#code-said")).to_contain_text("The code was read.")
        expect(page.get_by_label("Its address")).to_have_value("s3://shop/c")
        expect(page.locator("#root-name")).to_have_text("")
        assert violations(page) == []
        assert faults(page) == []
        page.get_by_label("The catalogue comes").select_option("demonstration")
        expect(page.locator("#drawn")).to_contain_text("Without a camera, simulated:6 as its")
        expect(page.get_by_label("Choose a file")).to_be_hidden()
        page.get_by_label("The catalogue comes").select_option(str(stick))
        expect(page.locator("#drawn")).to_be_empty()
        page.get_by_role("button", name="Set up").click()
        expect(page.get_by_role("heading", name="This device is set up.")).to_be_visible()
        expect(page.locator("code")).to_have_text("visual-search sync run")
        expect(page.locator("#tried")).to_have_text("The device is being tried…")
        expect(page.locator("#label-name")).to_have_text("Corner <b>shop</b>")
        expect(page.locator("#label-address")).to_contain_text(".local:8080/")
        expect(page.locator("#label-code")).not_to_have_js_property("naturalWidth", 0)
        identity = (fresh.folder / "data" / "device-id").read_text().strip()
        expect(page.locator("#label-identity")).to_have_text(identity)
        page.emulate_media(media="print")
        expect(page.get_by_role("button", name="Print the label")).to_be_hidden()
        expect(page.locator("#label-address")).to_be_visible()
        page.emulate_media(media="screen")
        fresh.device.opened, fresh.device.uptime_s = StandInCatalogue(), 0.0
        expect(page.locator("#tried")).to_have_text(
            "Tried: the camera and the catalogue are ready."
        )
        assert violations(page) == []
        expect(page.locator("#label-alone")).to_be_hidden()
        page.evaluate(FINISHED_ALONE)
        expect(page.locator("#label-alone")).to_be_visible()
        expect(page.locator("#label-address")).to_be_hidden()
        expect(page.locator("#label-identity")).to_have_text("12ab")
        assert faults(page) == []
        assert page.viewport_size == {"width": 390, "height": 844}
        buttons = page.locator("#finished .button").all()
        assert len({button.evaluate("(each) => each.offsetWidth") for button in buttons}) == 1
    assert fresh.restarts == 1
    assert Shelf(fresh.folder / "data" / "shelf").active() is not None
    assert fresh.settings()["page"] == {"name": "Corner <b>shop</b>"}
    assert fresh.settings()["outbox"] == {"transport": "file", "endpoint": "broker.example"}
    answer = fresh.client.get(SETUP)
    assert answer.status_code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.CONFLICT)
