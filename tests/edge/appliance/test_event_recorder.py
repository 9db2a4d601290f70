"""What a running appliance records, and that its counters agree wherever they are shown."""

from __future__ import annotations

import base64
import json
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from catalog.bundles.bundle import Bundle
from catalog.bundles.shelf import Shelf
from catalog.core.errors import SettingsError
from catalog.core.settings import DeviceSettings, load
from catalog.core.state import read_camera
from catalog.recognition.decision import Verdict
from edge import health
from edge.appliance.appliance import Appliance
from edge.appliance.event_recorder import MOST_TASKS, EventRecorder, open_recorder, thumbnail
from edge.appliance.opening import open_bundle
from edge.cameras.reader import CameraState
from edge.counters import ApplianceCounters, CounterSnapshot
from edge.settings import EdgeSettings
from edge.sighting import Timings
from edge.vision.picture_search import Observation
from edge.vision.verdict import Decision
from edge.web.app import create_app
from edge.web.documents import sighting_document
from sync.outbox.database import FILE
from sync.outbox.kinds import VERBATIM
from sync.outbox.outbox import Counters, Outbox
from sync.settings import OutboxSettings
from tests.conftest import Surroundings
from tests.edge.appliance.test_appliance import until
from tests.support.ports import free_port
from tests.support.web_stand_in import CUP, WRENCH, StandInDevice, draw_look

Events = Callable[[], list[dict[str, Any]]]


def read_events(folder: Path) -> list[dict[str, Any]]:
    """All documents in the outbox of a data folder, verbatim ones as their text."""
    outbox = Outbox(folder / FILE, OutboxSettings(), "reader")
    found = []
    for row in outbox.oldest(10_000):
        verbatim = row.kind in VERBATIM
        found.append(
            {"kind": row.kind, "text": row.payload.decode()}
            if verbatim
            else json.loads(row.payload)
        )
    outbox.close()
    return found


def names(found: list[dict[str, Any]]) -> list[str]:
    return [event.get("what", event["kind"]) for event in found]


def opened(folder: Path, **settings: Any) -> EventRecorder:
    recorder = open_recorder(DeviceSettings(data_dir=folder), OutboxSettings(**settings))
    assert recorder is not None
    return recorder


@pytest.fixture
def camera(things: Path, tmp_path: Path) -> str:
    folder = tmp_path / "pictures"
    folder.mkdir()
    first = sorted(folder for folder in things.iterdir() if folder.is_dir())[0]
    picture = sorted(first.iterdir())[0]
    (folder / picture.name).write_bytes(picture.read_bytes())
    return str(folder)


@pytest.fixture
def running(small_bundle: Path, camera: str, tmp_path: Path) -> Iterator[Appliance]:
    settings = EdgeSettings.model_validate({"camera": camera, "interval_ms": 20, "fps": 60})
    recorder = opened(tmp_path, report_features=True, features_interval_s=1)
    appliance = Appliance(settings, Bundle.open(small_bundle), recorder=recorder)
    appliance.start()
    yield appliance
    appliance.stop()


def test_an_appliance_reports_its_life(running: Appliance, tmp_path: Path) -> None:
    until(lambda: len(running.latest.all()) == 2 and running.camera().state == "online")
    shown, nothing = running.latest.all()
    running.stop()
    assert nothing.verdict is Verdict.NOTHING
    found = read_events(tmp_path)
    names_found = names(found)
    assert names_found[:3] == ["started", "model_loaded", "message"]
    assert names_found[-1] == "stopped"
    assert "camera_online" in names_found
    sighting = [event for event in found if event["kind"] == "sighting"][1]
    assert sighting["id"] == shown.id
    assert sighting["verdict"] == shown.verdict.value
    assert sighting["bundle"] == shown.bundle
    assert "thumbnail" not in sighting
    first = next(event for event in found if event["kind"] == "features")
    numbers = json.loads(first["text"])["features"].split(",")
    assert len(numbers) == running.catalogue.featurizer.network_dimensions
    texts = [event["text"] for event in found if event["kind"] == "message"]
    assert texts[:2] == ["Model loaded SUCCESSFULLY", "frame retrieved"]


@pytest.mark.slow
def test_a_verdict_is_reported_when_it_changes_and_never_for_each_frame(
    running: Appliance, tmp_path: Path
) -> None:
    until(lambda: running.counters().analysed > 40)
    running.stop()
    reported = names(read_events(tmp_path)).count("sighting")
    assert reported == sum(running.counters().sightings.values())
    assert reported <= len(running.latest.all())
    assert reported < running.counters().analysed / 4


def test_status_and_metrics_show_the_same_counters(running: Appliance) -> None:
    until(lambda: running.counters().outbox.length >= 5)  # type: ignore[union-attr]
    client = create_app(running).test_client()
    shown = client.get("/api/status").get_json()["outbox"]
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer.content_type.startswith("text/plain")
    found = {
        sample.name: sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
        if not sample.labels
    }
    assert found["visual_search_outbox_length"] >= shown["length"] >= 5
    assert found["visual_search_camera_up"] == 1
    assert found["visual_search_frames_total"] > 0
    assert found["visual_search_outbox_sent_total"] == shown["sent"] == 0


def test_metrics_name_reasons_verdicts_and_stages() -> None:
    device = StandInDevice()
    counters = ApplianceCounters()
    counters.count_frame()
    counters.count_analysis(Timings(1, 2, 3, 4))
    counters.count_sighting(Verdict.MATCH, 5)
    counters.count_judgement("right")
    device.counted = counters.snapshot(
        Counters(length=7, oldest_s=12.5, dropped={"space": 3}, latency_s=1.5, latencies=3),
        foreign_share=0.15,
    )
    answer = create_app(device).test_client().get("/metrics")
    found = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }
    assert found["visual_search_sightings_total", "match"] == 1
    assert found["visual_search_sightings_total", "unknown"] == 0
    assert found["visual_search_judgements_total", "right"] == 1
    assert found["visual_search_judgements_total", "item"] == 0
    assert found["visual_search_foreign_share",] == 0.15
    assert found["visual_search_stage_seconds_sum", "embed"] == pytest.approx(0.003)
    assert found["visual_search_stage_seconds_sum", "show"] == pytest.approx(0.005)
    assert found["visual_search_stage_seconds_count", "embed"] == 1
    assert found["visual_search_outbox_dropped_total", "space"] == 3
    assert found["visual_search_outbox_dropped_total", "age"] == 0
    assert found["visual_search_outbox_oldest_seconds",] == 12.5
    assert found["visual_search_publish_seconds_sum",] == 1.5
    assert found["visual_search_publish_seconds_count",] == 3


def test_a_device_that_reports_nothing_has_metrics_too() -> None:
    text = create_app(StandInDevice()).test_client().get("/metrics").text
    assert "visual_search_camera_up 1" in text
    assert "outbox" not in text


def test_camera_and_catalogue_are_reported_as_they_change(
    small_bundle: Path, own_bundle: Path, tmp_path: Path
) -> None:
    bundle = Bundle.open(small_bundle)
    recorder = opened(tmp_path, report_features=True)
    recorder.start(bundle, CounterSnapshot)
    recorder.camera(CameraState("online", 0.0), "camera")
    recorder.camera(CameraState("offline", 0.0, "was unplugged"), "camera")
    recorder.camera(CameraState("offline", 0.0, "is not there"), "camera")
    recorder.catalogue_rejected("20261122T090000Z-0123456789ab", "is damaged", bundle.id)
    older = Bundle.open(own_bundle)
    older.id = "20200101T000000Z-0123456789ab"
    recorder.catalogue(older)
    recorder.catalogue(bundle)
    recorder.stop()
    found = [event for event in read_events(tmp_path) if event["kind"] == "status"]
    assert names(found) == [
        *("started", "model_loaded", "camera_online", "camera_offline", "catalogue_rejected"),
        *("catalogue_rolled_back", "model_loaded", "catalogue_activated", "model_loaded"),
        "stopped",
    ]
    assert found[3]["message"] == "was unplugged"
    assert found[4]["details"]["in_use"] == bundle.id
    assert found[7]["details"] == {"bundle": bundle.id, "former": older.id}
    texts = [event["text"] for event in read_events(tmp_path) if event["kind"] == "message"]
    assert texts.count("FAILED to get frame") == 1


def test_a_camera_that_comes_and_goes_is_reported_when_it_stays(tmp_path: Path) -> None:
    recorder = opened(tmp_path)
    recorder.start(None, CounterSnapshot)
    online, offline = CameraState("online", 0.0), CameraState("offline", 0.0, "was unplugged")
    for state in [online, offline] * 10:
        recorder.camera(state, "camera")
    until(lambda: recorder.outbox_counters().length == 3)
    recorder._camera_reports._steady_s = 0.05
    recorder.camera(online, "camera")
    until(lambda: recorder.outbox_counters().length == 4)
    recorder.stop()
    wanted = ["started", "camera_online", "camera_offline", "camera_online", "stopped"]
    assert names(read_events(tmp_path)) == wanted


def test_sync_learns_of_the_camera_where_it_reports_it_to_the_shadow(tmp_path: Path) -> None:
    """Also of a camera that was there before the recorder began."""
    for shadow, known in ((False, None), (True, "online")):
        folder = tmp_path / str(shadow)
        recorder = opened(folder, shadow=shadow)
        recorder.camera(CameraState("online", 0.0), "camera")
        recorder.start(None, CounterSnapshot)
        recorder.stop()
        assert read_camera(folder / "state") == known


def test_a_state_folder_that_is_a_file_loses_no_report_of_the_camera(tmp_path: Path) -> None:
    recorder = opened(tmp_path, shadow=True)
    (tmp_path / "state").write_text("")
    recorder.start(None, CounterSnapshot)
    recorder.camera(CameraState("offline", 0.0, "was unplugged"), "camera")
    recorder.stop()
    assert names(read_events(tmp_path)) == ["started", "camera_offline", "stopped"]


def test_a_heartbeat_tells_how_the_device_is(
    small_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = opened(tmp_path)
    bundle = Bundle.open(small_bundle)
    recorder._settings = OutboxSettings.model_construct(heartbeat_s=0.05)
    recorder.start(bundle, lambda: CounterSnapshot(outbox=recorder.outbox_counters()))
    until(lambda: recorder.outbox_counters().length >= 4)
    recorder.stop()
    beat = next(event for event in read_events(tmp_path) if event["kind"] == "heartbeat")
    assert beat["camera"] == "starting"
    assert beat["bundle"] == bundle.id
    assert beat["rss_bytes"] > 10_000_000
    assert beat["disk_free_bytes"] > 0
    assert beat["outbox_length"] >= 0


def test_a_thumbnail_is_a_small_jpeg_and_only_where_it_is_asked_for(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (480, 480, 3), np.uint8)
    busy = cv2.imencode(".jpg", noise)[1].tobytes()
    for crop in (draw_look(CUP), busy):
        made = thumbnail(crop)
        assert made is not None
        jpeg = base64.b64decode(made)
        assert len(jpeg) <= 3000
        assert cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR) is not None
    sighting = StandInDevice().sighting(Verdict.MATCH, [(CUP, 0.9), (WRENCH, 0.5)])
    for wanted in (False, True):
        folder = tmp_path / str(wanted)
        recorder = opened(folder, report_thumbnails=wanted)
        recorder._thread.start()
        recorder.sighting(sighting)
        recorder.stop()
        (found,) = [event for event in read_events(folder) if event["kind"] == "sighting"]
        assert ("thumbnail" in found) == wanted
        assert found["item"] == {
            "sku": "CUP-01", "title": "Blue stoneware cup", "similarity": 0.9, "sure": 0.99,
        }  # fmt: skip
        assert [event["sku"] for event in found["others"]] == ["WR-17"]


def test_the_words_on_a_thing_are_reported_only_where_that_is_asked_for(
    small_bundle: Path, camera: str, tmp_path: Path
) -> None:
    settings = EdgeSettings.model_validate({"camera": camera})
    observation = Observation(
        Bundle.open(small_bundle),
        Decision(Verdict.UNKNOWN),
        decision_changed=True,
        lines=("Dear Mary,", "9 p.m."),
    )
    for wanted in (False, True):
        folder = tmp_path / str(wanted)
        recorder = opened(folder, report_text=wanted)
        recorder._thread.start()
        appliance = Appliance(settings, observation.bundle, recorder=recorder)
        shown = appliance.publish(observation, 1.0)
        assert shown.text == (("Dear Mary,", "9 p.m.") if wanted else ())
        assert "Mary" not in json.dumps(sighting_document(shown, ""))
        recorder.stop()
        (found,) = [event for event in read_events(folder) if event["kind"] == "sighting"]
        assert found.get("text") == ("Dear Mary, / 9 p.m." if wanted else None)


def test_guesses_are_reported_as_such_of_an_unknown_thing(tmp_path: Path) -> None:
    recorder = opened(tmp_path)
    recorder._thread.start()
    recorder.sighting(StandInDevice().sighting(Verdict.PERHAPS, [(CUP, 0.6), (WRENCH, 0.5)]))
    recorder.sighting(StandInDevice().sighting(Verdict.UNKNOWN, []))
    recorder.stop()
    guessed, unknown = [event for event in read_events(tmp_path) if event["kind"] == "sighting"]
    assert guessed["verdict"] == unknown["verdict"] == "unknown"
    assert [guess["sku"] for guess in guessed["guesses"]] == ["CUP-01", "WR-17"]
    assert "item" not in guessed
    assert "guesses" not in unknown


def test_features_are_limited_in_rate(small_bundle: Path, tmp_path: Path) -> None:
    recorder = opened(tmp_path, report_features=True, features_interval_s=3600)
    recorder.start(Bundle.open(small_bundle), CounterSnapshot)
    for _ in range(20):
        recorder.features(np.ones(2048, np.float32))
    recorder.stop()
    assert names(read_events(tmp_path)).count("features") == 1


def test_what_the_thread_does_not_take_is_bounded_and_counted(tmp_path: Path) -> None:
    recorder = opened(tmp_path)  # its thread is not started
    for _ in range(MOST_TASKS + 3):
        recorder.catalogue_rejected("one", "damaged", "another")
    assert recorder.outbox_counters().dropped == {"memory": 3}
    recorder.stop()


def test_a_catalogue_that_is_damaged_at_the_start_is_reported(
    small_bundle: Path, tmp_path: Path
) -> None:
    versions = tmp_path / "shelf" / "versions"
    shutil.copytree(small_bundle, versions / "sound")
    (versions / "damaged").mkdir()
    (tmp_path / "shelf" / "active").symlink_to("versions/damaged")
    (tmp_path / "shelf" / "previous").symlink_to("versions/sound")
    recorder = opened(tmp_path)
    shelf = Shelf(tmp_path / "shelf")
    bundle = open_bundle(None, shelf, tmp_path / "state", "auto", recorder).bundle
    assert bundle is not None
    recorder.start(bundle, CounterSnapshot)
    recorder.stop()
    found = [event for event in read_events(tmp_path) if event.get("what") == "catalogue_rejected"]
    assert [event["details"] for event in found] == [{"bundle": "damaged", "in_use": bundle.id}]


def test_nothing_is_reported_where_that_is_switched_off(tmp_path: Path) -> None:
    device = DeviceSettings(data_dir=tmp_path / "data")
    assert open_recorder(device, OutboxSettings(enabled=False)) is None
    assert not device.folder.exists()


@pytest.mark.parametrize(
    ("name", "value"),
    [("MAX_MB", "0"), ("MAX_AGE_DAYS", "-1"), ("HEARTBEAT_S", "1"), ("FEATURES_INTERVAL_S", "0")],
)
def test_bounds_that_make_no_sense_are_refused(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"VISUAL_SEARCH_OUTBOX__{name}", value)
    with pytest.raises(SettingsError, match=f"VISUAL_SEARCH_OUTBOX__{name}"):
        load("outbox", OutboxSettings)


def test_a_data_folder_that_cannot_be_used_does_not_stop_the_device(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    device = DeviceSettings(data_dir=tmp_path / "file" / "data")
    assert open_recorder(device, OutboxSettings()) is None


def test_temperatures_are_read_where_there_are_sensors(tmp_path: Path) -> None:
    assert health.temperature_c(tmp_path) is None
    for number, text in enumerate(("48500\n", "asleep", "61250\n", "-273000\n")):
        zone = tmp_path / f"thermal_zone{number}"
        zone.mkdir()
        (zone / "temp").write_text(text)
    assert health.temperature_c(tmp_path) == 61.25


def test_a_process_reports_until_it_is_stopped_and_what_was_durable_outlives_a_kill(
    surroundings: Surroundings, small_bundle: Path, camera: str
) -> None:
    Shelf(surroundings.data / "shelf").activate(small_bundle)
    found: list[dict[str, Any]] = []
    for ending in (signal.SIGTERM, signal.SIGKILL):
        port = free_port()
        process = surroundings.start("edge", "run", "--camera", camera, "--port", str(port))
        try:
            address = f"http://127.0.0.1:{port}/api/status"
            seen = until(partial(_length, address, least=len(found) + 4))
        finally:
            process.send_signal(ending)
            process.communicate(timeout=120)
        found = read_events(surroundings.data)
        assert len(found) >= seen
        assert [event["sequence"] for event in found] == list(range(1, len(found) + 1))
        assert ("stopped" in names(found)[-1:]) == (ending is signal.SIGTERM)
    assert names(found).count("started") == 2
    assert len({event["device"] for event in found}) == 1


def _length(address: str, least: int) -> int:
    try:
        outbox = httpx.get(address, timeout=2).json()["outbox"]
    except httpx.TransportError:
        time.sleep(0.1)
        return 0
    return outbox["length"] if outbox["length"] >= least else 0
