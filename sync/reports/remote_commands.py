"""Carry out the commands that come in over the connection, each id only once.

A broker may deliver a command twice. So the answers to the last `MAX_ANSWERS` commands are kept,
and a command whose id was answered gets the same answer again.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel, Field, ValidationError

from catalog.core.errors import VisualSearchError

MAX_ANSWERS = 100


class Command(BaseModel):
    """The payload of a message on the command topic."""

    id: str = Field(max_length=128)
    command: str = Field(max_length=64)


class CommandHandler:
    """Carries out commands.

    Args:
        actions: What each command does, by its name; returns further fields of its answer.
    """

    def __init__(self, actions: Mapping[str, Callable[[], Mapping[str, Any]]]) -> None:
        self._actions = actions
        self._answered: OrderedDict[str, bytes] = OrderedDict()

    def answer(self, payload: bytes) -> bytes:
        """Carry out a command and return the answer, a JSON object.

        Its ``outcome`` is "done", "failed" (the command may be sent again) or "unknown".
        """
        try:
            command = Command.model_validate_json(payload)
        except ValidationError:
            return _json({"id": None, "outcome": "unknown", "message": "no id and command in JSON"})
        if command.id in self._answered:
            return self._answered[command.id]
        answer: dict[str, Any] = {"id": command.id, "command": command.command}
        action = self._actions.get(command.command)
        if action is None:
            known = ", ".join(sorted(self._actions))
            answer |= {"outcome": "unknown", "message": f"known commands are {known}"}
        else:
            try:
                answer |= {"outcome": "done", **action()}
            except VisualSearchError as error:
                return _json(answer | {"outcome": "failed", "message": str(error)})
        self._answered[command.id] = _json(answer)
        if len(self._answered) > MAX_ANSWERS:
            self._answered.popitem(last=False)
        return self._answered[command.id]


def _json(answer: Mapping[str, Any]) -> bytes:
    return json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode()
