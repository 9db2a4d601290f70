"""The long-lived Lambda function of AWS's visual search sample, for a DeepLens.

Through a Greengrass V1 core it publishes, on the topic ``[outbox] features_topic``, the texts that
the sample's function publishes: how it is, and the network's output for each frame. A k-NN endpoint
in the cloud searches with these (github.com/awslabs/visual-search,
DeepLens/greengrassHelloWorld.py). docs/deeplens.md says where the function runs. The appliance
may run on the same device and search there.
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
from catalog.core.allocator import bound_memory
from catalog.core.errors import ContentError, SettingsError, VisualSearchError
from catalog.core.settings import CatalogSettings, DeviceSettings, load
from catalog.networks.featurizer import Featurizer
from edge.cameras import CameraReader
from edge.settings import EdgeSettings
from sync.errors import TransportError
from sync.outbox.events import features_text
from sync.reports.topics import Topics
from sync.reports.transports.base import Refusal
from sync.reports.transports.greengrass_v1 import GreengrassV1Transport
from sync.settings import OutboxSettings

THING = "AWS_IOT_THING_NAME"
FRAME_TIMEOUT_S = 2.0  # without a new frame for so long, a failure is published
BLANK = np.zeros((64, 64, 3), np.uint8)

log = logging.getLogger(__name__)


def greengrass_infinite_infer_run(
    config: Path | None = None, stopping: threading.Event | None = None
) -> None:
    """Publish the network's output for each frame, with the active catalogue's network.

    It does not return by itself. A text that cannot be published is dropped: the next frame
    comes soon.

    Args:
        config: The settings file, as for the command's ``--config``.
        stopping: The function returns when this is set.

    Raises:
        SettingsError: The device has no thing name, or the topic is none.
        ContentError: No catalogue is active, or its network cannot be run.
        TransportError: This is no function on a Greengrass V1 core.
    """
    bound_memory()
    stopping = stopping or threading.Event()
    device = load("device", DeviceSettings, config)
    settings = load("edge", EdgeSettings, config)
    thing = os.environ.get(THING) or device.thing
    if not thing:
        raise SettingsError(f"{THING} is not set, and [device] thing is empty; give it a name")
    topics = Topics.from_settings(load("outbox", OutboxSettings, config), thing)
    publish = TopicPublisher(topics.of("features"))
    featurizer = _open_network(device, load("catalog", CatalogSettings, config), publish)
    last = 0
    with CameraReader("deeplens", settings.camera_settings()) as camera:
        while not stopping.is_set():
            frame = camera.frame(last, FRAME_TIMEOUT_S)
            if frame is None:
                publish("FAILED to get frame")
                continue
            last = frame.sequence
            publish("frame retrieved")
            publish(features_text(featurizer.raw([frame.image])[0]))
            stopping.wait(settings.interval_ms / 1000)


def function_handler(event: object, context: object) -> None:
    """Do nothing: the core requires a handler, but the function works in its endless loop."""


class TopicPublisher:
    """Publishes texts on one topic; each waits until the core has taken the one before."""

    def __init__(self, topic: str) -> None:
        """Connect to the core.

        Raises:
            TransportError: This is no function on a Greengrass V1 core.
        """
        self._topic = topic
        self._problems = queue.SimpleQueue[str]()  # why a text was not taken; empty when it was
        self._core: GreengrassV1Transport | None = self._open()

    def __call__(self, text: str) -> bool:
        """Publish a text.

        Returns:
            Whether the core took it; where it did not, the reason is logged.
        """
        try:
            self._problems = queue.SimpleQueue[str]()  # a late answer to the text before is lost
            self._core = self._core or self._open()
            self._core.send(0, self._topic, text.encode())
            problem = self._problems.get()
        except TransportError as error:
            problem = str(error)
            self._core = None
        if problem:
            log.warning("%s: not sent: %s", self._topic, problem)
        return not problem

    def accepted(self, token: int) -> None:
        """The core has taken it."""
        self._problems.put("")

    def refused(self, token: int, reason: str, refusal: Refusal = Refusal.MESSAGE) -> None:
        """The core will never take it."""
        self._problems.put(reason)

    def lost(self, reason: str, *, taken_over: bool = False) -> None:
        """The core takes nothing now; the next text connects anew."""
        self._core = None
        self._problems.put(reason)

    def command(self, topic: str, payload: bytes) -> None:
        """Do nothing: no topic is subscribed to."""

    def _open(self) -> GreengrassV1Transport:
        core = GreengrassV1Transport()
        core.open(self)
        return core


def _open_network(
    device: DeviceSettings, settings: CatalogSettings, publish: Callable[[str], bool]
) -> Featurizer:
    """Open the active catalogue's network, and publish how that went."""
    active = Shelf(device.shelf).active()
    if active is None:
        raise ContentError("no catalogue is active; visual-search catalog activate BUNDLE")
    engine = settings.engine
    if engine == "auto" and importlib.util.find_spec("awscam"):
        engine = "awscam"
    try:
        featurizer = Featurizer.open(active / "featurizer", engine)
        featurizer.raw([BLANK])  # awscam optimizes the network when it gets its first picture
    except VisualSearchError:
        publish("Model optimization FAILED")
        raise
    publish("Model optimization SUCCEEDED")
    publish("Model loaded SUCCESSFULLY")
    return featurizer
