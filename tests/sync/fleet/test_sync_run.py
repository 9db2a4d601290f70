"""A whole device of a fleet: ``sync run`` as a process, a real broker, a shadow and jobs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.brokers import THING, BrokerCertificates, Mosquitto, until
from tests.support.following import Following
from tests.support.iot_things import IotThings, rights

pytestmark = pytest.mark.slow

PROGRAM = "from visual_search.command import main; main()"


@contextmanager
def sync_run(config: Path, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The process; what is left of it is killed, as by a power cut."""
    words = [sys.executable, "-c", PROGRAM, "--config", str(config), "sync", "run"]
    environment = {
        name: value
        for name, value in os.environ.items()
        if name != "VISUAL_SEARCH_DEVICE__DATA_DIR"
    }
    with log.open("ab") as file:
        process = subprocess.Popen(words, stdout=file, stderr=file, env=environment)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_a_device_obeys_its_owner_through_power_cuts(published: Following, tmp_path: Path) -> None:
    """It is pinned, let go, checked now, taken back; the power is cut between all of these."""
    following = published.copy(tmp_path / "world")
    first = following.active()
    certificates = BrokerCertificates.make(tmp_path)
    broker = Mosquitto(
        tmp_path / "broker", certificates, rights=rights("ShadowPolicy", "JobsPolicy")
    )
    things = IotThings()
    things.connect(broker, certificates)
    things.desire(THING, pin=1)
    config, log = tmp_path / "settings.toml", tmp_path / "log"
    certificate, key = certificates.device
    config.write_text(
        f'[device]\ndata_dir = "{following.data}"\nthing = "{THING}"\n'
        f'certificate = "{certificate}"\nprivate_key = "{key}"\n'
        f'ca = "{certificates.authority.file}"\n'
        f'[sync]\nsource = "{following.source}"\nroot = "{following.folder}/keys/root.json"\n'
        f'reserve_mb = 1\n[outbox]\nendpoint = "localhost"\nport = {broker.port}\n'
        "shadow = true\njobs = true\n"
    )
    try:
        with sync_run(config, log):
            until(lambda: following.shelf.state().pinned == first)
        refused = things.create_job(THING, "back-1", {"operation": "go-back"})
        with sync_run(config, log):
            until(lambda: things.shadows[THING].reported.get("catalogue") == first)
            until(lambda: things.shadows[THING].delta() == {})  # the pin is obeyed
            until(lambda: refused.status == "FAILED")
            assert "there is no version to go back to" in refused.details["message"]
            things.desire(THING, pin=None)
            until(lambda: following.active() != first)
        second = following.active()
        check = things.create_job(THING, "check", {"operation": "sync-now"})
        back = things.create_job(THING, "back-2", {"operation": "go-back"})
        with sync_run(config, log):
            until(lambda: check.status == "IN_PROGRESS")
        with sync_run(config, log):
            until(lambda: back.status == "SUCCEEDED")
            assert check.status == "SUCCEEDED"
            assert following.active() == first
            declined = following.shelf.state().declined
            assert declined is not None
            assert declined.bundle == second
            report = things.create_job(THING, "report", {"operation": "report"})
            until(lambda: report.status == "SUCCEEDED")
            assert (report.details["catalogue"], report.details["release"]) == (first, "1")
    except AssertionError:
        print(log.read_text())
        raise
    finally:
        things.close()
        broker.stop()
