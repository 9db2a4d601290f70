"""A disk that loses its power: an ext4 file system in a file, shut down without a flush.

What the kernel had not written to the image by then is gone, as after a power cut
(``FS_IOC_SHUTDOWN`` with ``NOLOGFLUSH``, ext4 and xfs). Needs root and loop devices.
"""

from __future__ import annotations

import fcntl
import os
import struct
import subprocess
import time
from pathlib import Path
from types import TracebackType

FS_IOC_SHUTDOWN = 0x8004587D
NOLOGFLUSH = 2


class Disk:
    """An ext4 file system of `megabytes`, mounted at `folder` while the context lasts."""

    def __init__(self, image: Path, folder: Path, megabytes: int) -> None:
        self.image = image
        self.folder = folder
        self._megabytes = megabytes

    def __enter__(self) -> Disk:
        with self.image.open("wb") as file:
            file.truncate(self._megabytes << 20)
        _run("mkfs.ext4", "-q", "-F", str(self.image))
        self.folder.mkdir(parents=True, exist_ok=True)
        self._mount()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._unmount()
        self.image.unlink()

    def cut_power(self) -> None:
        """From now on nothing reaches the disk any more; every call on it fails."""
        handle = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.ioctl(handle, FS_IOC_SHUTDOWN, struct.pack("I", NOLOGFLUSH))
        finally:
            os.close(handle)

    def power_on(self) -> None:
        """Mount again what is left; nobody may have a file open any more.

        It is mounted from a copy: a mount namespace that another program made meanwhile may hold
        the old file system, without power, and the kernel would give that out again.
        """
        self._unmount()
        copy = self.image.with_suffix(".copy")
        _run("cp", "--sparse=always", str(self.image), str(copy))
        copy.replace(self.image)
        self._mount()

    def _mount(self) -> None:
        _run("mount", "-o", "loop", str(self.image), str(self.folder))

    def _unmount(self) -> None:
        for _ in range(50):  # a killed process is gone a moment later
            done = subprocess.run(["umount", str(self.folder)], capture_output=True)
            if done.returncode == 0:
                return
            time.sleep(0.1)
        raise OSError(f"{self.folder}: cannot be unmounted: {done.stderr.decode().strip()}")


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise OSError(f"{' '.join(command)}: {done.stderr.strip()}")
