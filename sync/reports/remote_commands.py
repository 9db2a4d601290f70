"""The commands that a device obeys, few and harmless: asked twice, they are done once."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel, Field, ValidationError

from catalog.core.errors import VisualSearchError

KEPT = 100  # answers, for a question that comes again


class Command(BaseModel):
    """What comes in on the command topic."""

    id: str = Field(max_length=128)
    command: str = Field(max_length=64)


class CommandHandler:
    """Answers commands, each with its id.

    Args:
        actions: What each command does; returns what its answer tells besides.
    """

    def __init__(self, actions: Mapping[str, Callable[[], Mapping[str, Any]]]) -> None:
        self._actions = actions
        self._answered: OrderedDict[str, bytes] = OrderedDict()

    def answer(self, payload: bytes) -> bytes:
        """Obey, and say so; JSON. A question that was answered gets the same answer again."""
        try:
            asked = Command.model_validate_json(payload)
        except ValidationError:
            return _json({"id": None, "outcome": "unknown", "message": "no id and command in JSON"})
        if asked.id in self._answered:
            return self._answered[asked.id]
        answer: dict[str, Any] = {"id": asked.id, "command": asked.command}
        action = self._actions.get(asked.command)
        if action is None:
            known = ", ".join(sorted(self._actions))
            answer |= {"outcome": "unknown", "message": f"known commands are {known}"}
        else:
            try:
                answer |= {"outcome": "done", **action()}
            except VisualSearchError as error:  # may be asked again
                return _json(answer | {"outcome": "failed", "message": str(error)})
        self._answered[asked.id] = _json(answer)
        if len(self._answered) > KEPT:
            self._answered.popitem(last=False)
        return self._answered[asked.id]


def _json(answer: Mapping[str, Any]) -> bytes:
    return json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode()
