"""The long-lived function that AWS's visual search sample ran on a DeepLens, its words and all.

Through the core of Greengrass V1 it sends, on ``$aws/things/<thing>/infer``, how it is, and
the network's own numbers for each frame, for a k-NN endpoint in the cloud to search with
(github.com/awslabs/visual-search, DeepLens/greengrassHelloWorld.py). docs/deeplens.md says how
to deploy it. Beside it the appliance may run and search on the device itself.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import queue
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np

from catalog.bundles.shelf import Shelf
from catalog.core.errors import ContentError, SettingsError, VisualSearchError
from catalog.core.settings import CatalogSettings, DeviceSettings, load
from catalog.core.vectors import Tensor
from catalog.networks.featurizer import Featurizer
from edge.cameras import CameraReader
from edge.settings import EdgeSettings
from sync.errors import TransportError
from sync.reports.transports.base import Refusal
from sync.reports.transports.greengrass_v1 import GreengrassV1Transport

THING = "AWS_IOT_THING_NAME"
TOPIC = "$aws/things/{}/infer"
FRAME_S = 2.0  # without a new frame, until that is told
BLANK = np.zeros((64, 64, 3), np.uint8)

log = logging.getLogger(__name__)


def greengrass_infinite_infer_run(
    config: Path | None = None, stopping: threading.Event | None = None
) -> None:
    """Send the active catalogue's network's numbers for each frame; does not return.

    What cannot be sent is dropped: the next frame comes soon.

    Args:
        config: The settings file, as for the command's ``--config``.
        stopping: Returns when this is set.

    Raises:
        SettingsError: The device has no thing name.
        ContentError: No catalogue is active, or its network cannot be run.
        TransportError: This is no function on a Greengrass V1 core.
    """
    stopping = stopping or threading.Event()
    device = load("device", DeviceSettings, config)
    settings = load("edge", EdgeSettings, config)
    thing = os.environ.get(THING) or device.thing
    if not thing:
        raise SettingsError(f"{THING} is not set, and [device] thing is empty; give it a name")
    publish = Publisher(TOPIC.format(thing))
    featurizer = _open_network(device, load("catalog", CatalogSettings, config), publish)
    last = 0
    with CameraReader("deeplens", settings.camera_settings()) as camera:
        while not stopping.is_set():
            frame = camera.frame(last, FRAME_S)
            if frame is None:
                publish("FAILED to get frame")
                continue
            last = frame.sequence
            publish("frame retrieved")
            publish(features_message(featurizer.raw([frame.image])[0]))
            stopping.wait(settings.interval_ms / 1000)


def function_handler(event: object, context: object) -> None:
    """Nothing: the core wants a handler, but the function lives by its loop."""


def features_message(features: Tensor) -> str:
    """The sample's message of features, float32 (d,): comma-separated, in JSON."""
    return '{ "features": "' + ",".join(str(one) for one in features) + '" }'


class Publisher:
    """Publishes texts on one topic, each when the core has taken the last one."""

    def __init__(self, topic: str) -> None:
        """Open the way.

        Raises:
            TransportError: This is no function on a Greengrass V1 core.
        """
        self._topic = topic
        self._fate = queue.SimpleQueue[str]()  # why it was not taken; empty when it was
        self._way: GreengrassV1Transport | None = self._open()

    def __call__(self, text: str) -> bool:
        """Publish; whether the core took it. Why not is logged."""
        try:
            self._fate = queue.SimpleQueue[str]()  # nothing late may be taken for this one's
            self._way = self._way or self._open()
            self._way.send(0, self._topic, text.encode())
            problem = self._fate.get()
        except TransportError as error:
            problem = str(error)
            self._way = None
        if problem:
            log.warning("%s: not sent: %s", self._topic, problem)
        return not problem

    def accepted(self, token: int) -> None:
        """The core has taken it."""
        self._fate.put("")

    def refused(self, token: int, reason: str, refusal: Refusal = Refusal.MESSAGE) -> None:
        """The core never takes it."""
        self._fate.put(reason)

    def lost(self, reason: str) -> None:
        """The core takes nothing now; the way is made anew for the next text."""
        self._way = None
        self._fate.put(reason)

    def command(self, topic: str, payload: bytes) -> None:
        """Nothing is subscribed to."""

    def _open(self) -> GreengrassV1Transport:
        way = GreengrassV1Transport()
        way.open(self)
        return way


def _open_network(
    device: DeviceSettings, settings: CatalogSettings, publish: Callable[[str], bool]
) -> Featurizer:
    """The active catalogue's network, ready to run; tells how that went."""
    active = Shelf(device.shelf).active()
    if active is None:
        raise ContentError("no catalogue is active; visual-search catalog activate BUNDLE")
    engine = settings.engine
    if engine == "auto" and importlib.util.find_spec("awscam"):
        engine = "awscam"
    try:
        featurizer = Featurizer.open(active / "featurizer", engine)
        featurizer.raw([BLANK])  # awscam optimizes the network at its first picture
    except VisualSearchError:
        publish("Model optimization FAILED")
        raise
    publish("Model optimization SUCCEEDED")
    publish("Model loaded SUCCESSFULLY")
    return featurizer
