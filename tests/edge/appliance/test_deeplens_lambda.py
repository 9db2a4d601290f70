"""The Lambda function, with stand-ins of a DeepLens and of its Greengrass core."""

from __future__ import annotations

import importlib
import json
import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from catalog.core.errors import ContentError, FeaturizerError, SettingsError
from catalog.networks.featurizer import Featurizer
from catalog.networks.importing.importer import import_model
from catalog.networks.models import Preprocessing
from catalog.networks.projection import fit
from edge.appliance.deeplens_lambda import (
    function_handler,
    greengrass_infinite_infer_run,
)
from edge.cameras import CameraSettings, open_camera
from edge.errors import CameraError
from sync.errors import TransportError
from tests.catalog.networks.test_awscam import NAMES, STAND_INS
from tests.conftest import Surroundings
from tests.support import greengrass_core, mxnet_networks
from tests.support.drawing import draw_thing
from tests.support.greengrass_core import Core

pytestmark = pytest.mark.mxnet

FEATURES = 2048
SECONDS = 120.0  # until an awaited thing counts as missing
FRAMES = [draw_thing(1, side=96), draw_thing(2, side=96)]


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a checkpoint like the sample's, with the projection that shortens its vectors."""
    folder = tmp_path_factory.mktemp("deeplens")
    saved = mxnet_networks.save(mxnet_networks.wide(), folder / "saved")
    like_the_sample = Preprocessing(size=mxnet_networks.SIDE, mean="0", std="1", resize="squash")
    import_model(saved.parameter_file, folder / "featurizer", like_the_sample)
    own = Featurizer.open(folder / "featurizer")
    fit(own.embed(FRAMES), own.network_id).write(folder / "featurizer")
    return folder / "featurizer"


@pytest.fixture
def active(network: Path, surroundings: Surroundings) -> Path:
    """Make it the network of the active catalogue, of which the function needs nothing else."""
    version = surroundings.data / "shelf" / "versions" / "one"
    shutil.copytree(network, version / "featurizer")
    (surroundings.data / "shelf" / "active").symlink_to("versions/one")
    return network


@pytest.fixture
def deeplens(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A DeepLens by a stand-in of ``awscam``, whose camera shows two pictures in turn."""
    monkeypatch.syspath_prepend(str(STAND_INS))
    monkeypatch.setenv("AWS_IOT_THING_NAME", "deeplens_1")
    monkeypatch.setenv("VISUAL_SEARCH_EDGE__INTERVAL_MS", "20")
    awscam = importlib.import_module("awscam")
    awscam.frames[:] = FRAMES
    yield awscam
    for name in NAMES:
        sys.modules.pop(name, None)


@pytest.fixture
def core() -> Iterator[Core]:
    """A Greengrass core on which this process is a function."""
    with greengrass_core.running() as running, greengrass_core.function_on(running.port):
        yield running


@pytest.fixture
def run() -> Iterator[Callable[[], threading.Thread]]:
    """Start the function, and stop it at the end."""
    stopping = threading.Event()
    threads: list[threading.Thread] = []

    def start() -> threading.Thread:
        thread = threading.Thread(
            target=greengrass_infinite_infer_run, kwargs={"stopping": stopping}
        )
        threads.append(thread)
        thread.start()
        return thread

    yield start
    stopping.set()
    for thread in threads:
        thread.join(SECONDS)
        assert not thread.is_alive()


def texts(core: Core, count: int) -> list[str]:
    """The first messages, as texts."""
    return [message.payload.decode() for message in core.wait_for(count, SECONDS)][:count]


def numbers(text: str) -> np.ndarray[Any, np.dtype[np.float32]]:
    """The features of a message, as the sample's search function reads them."""
    return np.array(json.loads(text)["features"].split(","), np.float32)


def test_it_says_and_sends_what_the_sample_did(
    active: Path, deeplens: Any, core: Core, run: Callable[[], threading.Thread]
) -> None:
    """It sends 2,048 numbers for each frame, as the network gives them."""
    run()
    messages = texts(core, 8)
    assert messages[:2] == ["Model optimization SUCCEEDED", "Model loaded SUCCESSFULLY"]
    assert messages[2:8:2] == ["frame retrieved"] * 3
    assert {message.topic for message in core.messages} == {"$aws/things/deeplens_1/infer"}
    own = Featurizer.open(active)
    assert own.dimensions == 256
    known = own.raw(FRAMES)
    for text in messages[3:8:2]:
        assert text.startswith('{ "features": "')
        assert text.endswith('" }')
        sent = numbers(text)
        assert sent.shape == (FEATURES,)
        assert np.abs(known - sent).max(axis=1).min() < 1e-4 * np.abs(known).max()


def test_it_is_optimized_once_for_the_gpu(
    active: Path, deeplens: Any, core: Core, run: Callable[[], threading.Thread]
) -> None:
    mo: Any = importlib.import_module("mo")
    run()
    texts(core, 6)
    assert len(mo.calls) == 1


def test_a_camera_that_gives_nothing_is_told_and_comes_back(
    active: Path, deeplens: Any, core: Core, run: Callable[[], threading.Thread]
) -> None:
    """The sample's function ended in this case."""
    deeplens.frames.clear()
    run()
    assert texts(core, 3)[2] == "FAILED to get frame"
    deeplens.frames[:] = FRAMES
    with core.arrived:
        assert core.arrived.wait_for(
            lambda: any(message.payload == b"frame retrieved" for message in core.messages), SECONDS
        )


def test_a_core_that_takes_nothing_for_a_while_does_not_end_it(
    active: Path, deeplens: Any, core: Core, run: Callable[[], threading.Thread],
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    """What could not be sent is dropped and logged."""
    run()
    texts(core, 4)
    core.status = 503
    while "not sent" not in caplog.text:
        assert not threading.Event().wait(0.02)
    core.status = 200
    texts(core, len(core.messages) + 4)
    assert "its queue may be full" in caplog.text


def test_a_network_that_cannot_be_optimized_is_told(
    active: Path, deeplens: Any, core: Core
) -> None:
    mo: Any = importlib.import_module("mo")
    mo.status = 1
    with pytest.raises(FeaturizerError, match="cannot be converted"):
        greengrass_infinite_infer_run()
    assert texts(core, 1) == ["Model optimization FAILED"]
    assert len(core.messages) == 1


def test_what_is_missing_is_named(
    surroundings: Surroundings, deeplens: Any, core: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ContentError, match="no catalogue is active"):
        greengrass_infinite_infer_run()
    monkeypatch.delenv("AWS_IOT_THING_NAME")
    with pytest.raises(SettingsError, match=r"AWS_IOT_THING_NAME is not set, and \[device\]"):
        greengrass_infinite_infer_run()
    assert core.messages == []


def test_elsewhere_than_on_a_core_it_ends(active: Path, deeplens: Any) -> None:
    greengrass_core.forget()
    with pytest.raises(TransportError, match="no Lambda function on a Greengrass V1 core"):
        greengrass_infinite_infer_run()
    greengrass_core.forget()


def test_the_topic_is_a_setting(
    active: Path, deeplens: Any, core: Core, run: Callable[[], threading.Thread],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("VISUAL_SEARCH_OUTBOX__FEATURES_TOPIC", "visual-search/{thing}/features")
    run()
    texts(core, 4)
    assert {message.topic for message in core.messages} == {"visual-search/deeplens_1/features"}


def test_the_handler_does_nothing() -> None:
    assert function_handler({}, None) is None  # type: ignore[func-returns-value]


def test_the_camera_is_the_librarys_where_it_can_be_imported(deeplens: Any) -> None:
    """Each picture is an array of its own."""
    camera = open_camera("deeplens", CameraSettings(read_timeout_s=0.2))
    first = camera.read()
    assert camera.name == "deeplens"
    assert any(np.array_equal(first, frame) for frame in FRAMES)
    assert not any(np.shares_memory(first, frame) for frame in FRAMES)
    deeplens.frames.clear()
    with pytest.raises(CameraError, match="awscam gives no frame"):
        camera.read()
    camera.close()
