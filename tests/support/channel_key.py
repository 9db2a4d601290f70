"""The owner of a channel's key, whoever publishes with it, and what a thief of it can sign."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from tuf.api.metadata import Metadata, MetaFile, Targets

from sync.trust.channel_keys import ChannelKeys
from sync.trust.key_files import sign_with
from sync.trust.keys import KeyFolder
from tests.support.repository import World, secret

DAYS = 400
NORTH = "metadata/{}.channel-north.json"


def owner(world: World) -> ChannelKeys:
    world.owners_time += timedelta(hours=1)
    keys = KeyFolder(world.keys.folder, secret)
    return ChannelKeys(world.store, keys, lambda: world.owners_time)


def hand_over(world: World, channel: str = "north") -> World:
    """Give the channel's key away, as the owner is told to: the world as its publisher has it."""
    given = world.folder / f"{channel}-keys-{len(list(world.folder.glob(f'{channel}-keys-*')))}"
    given.mkdir()
    shutil.copy(world.keys.folder / "root.json", given)
    for name in ("roots", "online", f"channels/{channel}"):
        shutil.copytree(world.keys.folder / name, given / name)
    shutil.rmtree(world.keys.folder / "channels" / channel)
    return replace(world, keys=KeyFolder(given, secret))


def sign_as(
    thief: World,
    change: Callable[[Targets], object] = lambda listed: None,
    role: str = "channel-north",
    listed: MetaFile | None = None,
) -> None:
    """Sign a list of ``north`` as a thief of its key and of the online key can."""
    newest = newest_list(thief)
    newest.version += 1
    change(newest)
    ids = Metadata[Targets].from_bytes(thief.store.objects[newest_name(thief)]).signatures
    data = sign_with(newest, thief.keys.channel_signers("north", list(ids)))
    thief.store.objects[f"metadata/{newest.version}.{role}.json"] = data
    meta = listed or MetaFile(newest.version)
    thief.tamper(snapshot=lambda signed: signed.meta.update({f"{role}.json": meta}))


def newest_name(world: World) -> str:
    numbers = [
        int(name.split("/")[1].partition(".")[0])
        for name in world.store.objects
        if name.endswith(".channel-north.json")
    ]
    return NORTH.format(max(numbers))


def newest_list(world: World) -> Targets:
    return Metadata[Targets].from_bytes(world.store.objects[newest_name(world)]).signed


def edit(path: str, **fields: object) -> Callable[[Targets], object]:
    """Change what is signed with a target."""
    return lambda listed: listed.targets[path].unrecognized_fields["custom"].update(fields)
