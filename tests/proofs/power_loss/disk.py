"""An ext4 file system in a file, whose power can be cut. Needs root and a loop device."""

from __future__ import annotations

import fcntl
import os
import struct
import subprocess
from pathlib import Path

SHUTDOWN = 0x8004587D  # FS_IOC_SHUTDOWN, linux/fs.h
NO_LOG_FLUSH = 2  # the journal's unwritten part is lost too, as when the power goes


class Disk:
    """An ext4 file system of its own in `folder`, mounted at ``folder/mount``."""

    def __init__(self, folder: Path, megabytes: int = 64) -> None:
        self._image = folder / "disk.img"
        self.mount_point = folder / "mount"
        self.mount_point.mkdir()
        with self._image.open("wb") as image:
            image.truncate(megabytes << 20)
        subprocess.run(["mkfs.ext4", "-q", "-F", self._image], check=True)

    def mount(self) -> None:
        """Make it available; what was lost shows only now."""
        command: list[str | Path] = ["mount", "-o", "loop", self._image, self.mount_point]
        subprocess.run(command, check=True)

    def cut(self) -> None:
        """Cut the power: from this moment on nothing reaches the disk any more.

        An fsync under way may return success nevertheless; whoever counts must not count it.
        """
        handle = os.open(self.mount_point, os.O_RDONLY)
        try:
            fcntl.ioctl(handle, SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
        finally:
            os.close(handle)

    def unmount(self) -> None:
        """Take it away."""
        subprocess.run(["umount", self.mount_point], check=True)
