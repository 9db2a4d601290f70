"""Which program would start this one again when it ends."""

from __future__ import annotations

import os

SYSTEMD = "SYSTEMD_EXEC_PID"  # the process that systemd started; children inherit the variable
GREENGRASS = "SVCUID"  # set for the components of a Greengrass core
CONTAINER = "CONTAINER_STARTS_AGAIN"  # set by the start script of the container image
RESTART_STATUS = 75  # "try again later": systemd's Restart=on-failure starts the program again


def supervisor() -> str:
    """The supervisor's name; empty where none is known."""
    if os.environ.get(SYSTEMD) == str(os.getpid()):
        return "systemd"
    if os.environ.get(GREENGRASS):
        return "Greengrass"
    in_container = os.getpid() == 1 or os.environ.get(CONTAINER)
    return "the container" if in_container else ""
