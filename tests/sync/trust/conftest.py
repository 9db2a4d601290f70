"""A channel that has a key of its own."""

from __future__ import annotations

import pytest

from tests.support.channel_key import DAYS, hand_over, owner
from tests.support.repository import World


@pytest.fixture
def north(world: World) -> World:
    """The world of whoever publishes in ``north``; ``south`` is the owner's."""
    for channel in ("north", "north", "south"):
        world.publish(f"first of {channel}", channel)
    owner(world).delegate("north", DAYS)
    return hand_over(world)
