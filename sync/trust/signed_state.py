"""The signed metadata in a store, to be changed and signed anew."""

from __future__ import annotations

from dataclasses import dataclass, field

from tuf.api.metadata import Root, Snapshot, TargetFile, Targets, Timestamp

from sync.trust.delegations import ChannelList


@dataclass(frozen=True)
class SignedState:
    """The metadata in a store.

    Attributes:
        tag: The timestamp's tag in the store; None where nothing was published yet.
        root: The newest root in the store.
        timestamp, snapshot, targets: The newest metadata of these roles.
        channel: What the own key of the channel has signed that is at work; None for no such key.
        changed: The names of the roles whose lists have changed since.
    """

    tag: str | None
    root: Root | None
    timestamp: Timestamp
    snapshot: Snapshot
    targets: Targets
    channel: ChannelList | None = None
    changed: set[str] = field(default_factory=set)

    @classmethod
    def first(cls) -> SignedState:
        """Return the state of a store in which nothing was published yet."""
        state = cls(None, None, Timestamp(), Snapshot(), Targets())
        for signed in (state.timestamp, state.snapshot, state.targets):
            signed.version = 0
        return state

    def target(self, path: str) -> TargetFile | None:
        """Return the target at `path`, or None."""
        return self._list_with(path)[1].targets.get(path)

    def put(self, target: TargetFile) -> None:
        """Name a target in the list that has its path."""
        role, listed = self._list_with(target.path)
        listed.targets[target.path] = target
        self.changed.add(role)

    def remove(self, path: str) -> None:
        """Remove the target at `path`, if there is one."""
        role, listed = self._list_with(path)
        if listed.targets.pop(path, None) is not None:
            self.changed.add(role)

    def role_of(self, path: str) -> str:
        """Return the name of the role that signs what is at `path`."""
        return self._list_with(path)[0]

    def _list_with(self, path: str) -> tuple[str, Targets]:
        is_owners = path in self.targets.targets
        if self.channel is not None and not is_owners and self.channel.covers(path):
            return self.channel.role.name, self.channel.signed
        return Targets.type, self.targets
