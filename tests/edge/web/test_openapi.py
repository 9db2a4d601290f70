"""The hand-written description of the API, compared with the routes and with real answers."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest
from openapi_schema_validator import OAS31Validator, oas31_format_checker
from openapi_spec_validator import validate
from werkzeug.routing import Rule

import edge.web.app
from catalog.recognition.decision import Verdict
from edge.cameras.refusals import IN_USE, cannot_open
from edge.web.app import create_app
from edge.words import Words
from tests.support.web_stand_in import CUP, WRENCH, StandInDevice, draw_look

FILE = Path(edge.web.app.__file__).with_name("openapi.json")
DOCUMENT: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))


def routed() -> dict[str, set[str]]:
    """The app's paths in the document's notation, with their methods."""
    paths: dict[str, set[str]] = {}
    for rule in create_app(StandInDevice()).url_map.iter_rules():
        assert isinstance(rule, Rule)
        if rule.endpoint == "static":
            continue
        path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)
        methods = {method.lower() for method in rule.methods or ()} - {"head", "options"}
        paths[path] = paths.get(path, set()) | methods
    return paths


def test_document_is_valid() -> None:
    """The document is valid OpenAPI 3.1."""
    assert DOCUMENT["openapi"] == "3.1.0"
    validate(DOCUMENT)


def test_document_and_routes_agree_both_ways() -> None:
    """Each route with its methods is described, and nothing else is."""
    described = {path: set(item) for path, item in DOCUMENT["paths"].items()}
    assert described == routed()


def test_path_parameters_are_described() -> None:
    """Each {name} in a path is a parameter."""
    for path, item in DOCUMENT["paths"].items():
        for operation in item.values():
            named = {
                parameter["name"]
                for parameter in operation.get("parameters", ())
                if parameter["in"] == "path"
            }
            assert named == set(re.findall(r"{(\w+)}", path)), path


def test_operation_ids_are_the_views_names() -> None:
    """So a reader of the document finds the code."""
    ids = {op["operationId"] for item in DOCUMENT["paths"].values() for op in item.values()}
    views = {rule.endpoint for rule in create_app(StandInDevice()).url_map.iter_rules()}
    assert ids == (views - {"static", "show_page"}) | {"page"}


@pytest.mark.parametrize(
    ("path", "address"),
    [
        ("/api/latest", "/api/latest"),
        ("/api/sightings", "/api/sightings"),
        ("/api/items", "/api/items?q=cup"),
        ("/api/items/{sku}", "/api/items/GEAR%2F24"),
        ("/api/showcase", "/api/showcase"),
        ("/api/status", "/api/status"),
        ("/api/staff/session", "/api/staff/session"),
        ("/healthz", "/healthz"),
        ("/sentences/{language}.json", "/sentences/ar.json"),
        ("/openapi.json", "/openapi.json"),
    ],
)
def test_answers_fit_their_schemas(path: str, address: str) -> None:
    """The device sends what the document describes."""
    device = StandInDevice()
    device.show(Verdict.MATCH, [(CUP, 0.9), (WRENCH, 0.5)])
    answer = create_app(device).test_client().get(address)
    assert answer.status_code == 200
    check(answer.get_json(), path, "get", "200")


def test_guesses_fit() -> None:
    """An unknown thing may have some."""
    device = StandInDevice()
    device.show(Verdict.PERHAPS, [(CUP, 0.6), (WRENCH, 0.5)])
    document = create_app(device).test_client().get("/api/latest").get_json()
    assert document["sighting"]["verdict"] == "unknown"
    assert [guess["sku"] for guess in document["sighting"]["guesses"]] == ["CUP-01", "WR-17"]
    check(document, "/api/latest")


def test_empty_state_fits() -> None:
    """That holds before the first sighting and without a catalogue."""
    device = StandInDevice(opened=None)
    check(create_app(device).test_client().get("/api/latest").get_json(), "/api/latest")


def test_what_the_device_says_comes_with_its_sentence() -> None:
    """A reason in a reason, too; and a problem's."""
    device = StandInDevice()
    device.go_offline(cannot_open("lens", IN_USE).args[0])
    client = create_app(device).test_client()
    document = client.get("/api/latest").get_json()
    check(document, "/api/latest")
    camera = document["camera"]
    assert camera["message"].startswith("camera lens cannot be opened: another program uses it;")
    assert camera["words"] == {
        "sentence": "camera {name} cannot be opened: {reason}",
        "values": {"name": "lens", "reason": {"sentence": IN_USE, "values": {}}},
    }
    problem = client.get("/api/items/7{x}").get_json()
    assert problem["detail"] == "The catalogue has no item 7{x}; search by its name."
    assert problem["words"]["values"] == {"sku": "7{x}"}
    assert client.get("/sentences/tlh.json").status_code == 404
    copied = copy.deepcopy(Words("There is no {thing}.", thing="{x}"))
    assert (copied, copied.values) == ("There is no {x}.", {"thing": "{x}"})


def test_search_fits() -> None:
    """The answer to an uploaded photo is a sighting."""
    client = create_app(StandInDevice()).test_client()
    answer = client.post("/api/search", data=draw_look(CUP), content_type="image/jpeg")
    assert answer.status_code == 200
    check(answer.get_json(), "/api/search", "post")


def test_matches_fit() -> None:
    """So does the envelope that the sample's web app reads."""
    device = StandInDevice()
    device.show(Verdict.MATCH, [(CUP, 0.9)])
    answer = create_app(device).test_client().post("/matches", json={})
    assert answer.status_code == 200
    check(answer.get_json(), "/matches", "post")


@pytest.mark.parametrize("address", ["/nothing/here", "/api/items", "/api/items/absent"])
def test_problems_fit(address: str) -> None:
    """Errors are problem documents."""
    answer = create_app(StandInDevice()).test_client().get(address)
    assert answer.status_code >= 400
    assert answer.mimetype == "application/problem+json"
    validator({"$ref": "#/components/schemas/Problem"}).validate(answer.get_json())


def check(document: object, path: str, method: str = "get", status: str = "200") -> None:
    content = DOCUMENT["paths"][path][method]["responses"][status]["content"]
    validator(content["application/json"]["schema"]).validate(document)


def validator(schema: dict[str, Any]) -> OAS31Validator:
    whole = schema | {"components": DOCUMENT["components"]}
    return OAS31Validator(whole, format_checker=oas31_format_checker)
