"""Reads a Containerfile, and takes its steps in a folder where no builder of images is to be had.

    python -m tests.support.containerfile FILE CONTEXT ROOT   as root; ROOT holds the base's files

Prints the environment that the image sets, a line each.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

MOUNT = re.compile(r"--mount=type=bind,source=(\S+),target=(\S+)\s+")
IN_ROOT = """
mount -t proc proc "$1/proc"
mount --bind /dev "$1/dev"
for pair in $3; do touch "$1/${pair#*:}"; mount --bind "$2/${pair%%:*}" "$1/${pair#*:}"; done
exec chroot "$1" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive sh -c "$4"
"""


@dataclass(frozen=True)
class Step:
    """One instruction: its word, and all that stands behind it."""

    word: str
    rest: str

    @property
    def words(self) -> list[str]:
        """What stands behind it, of an instruction that is written as a list or as words."""
        listed = self.rest.find("[")
        if listed >= 0:
            return [str(word) for word in json.loads(self.rest[listed:])]
        return self.rest.split()


def read(file: Path) -> list[Step]:
    """The steps of a Containerfile."""
    lines = [line for line in file.read_text().splitlines() if not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    found = []
    for line in filter(str.strip, joined.splitlines()):
        word, _, rest = line.partition(" ")
        found.append(Step(word, rest.strip()))
    return found


def take(steps: list[Step], context: Path, root: Path) -> dict[str, str]:
    """Take the steps in `root`; returns the environment that they set."""
    environment: dict[str, str] = {}
    for step in steps:
        match step.word:
            case "RUN":
                pairs = " ".join(":".join(pair) for pair in MOUNT.findall(step.rest))
                words = [str(root), str(context), pairs, MOUNT.sub("", step.rest)]
                subprocess.run(
                    ["unshare", "--mount", "--pid", "--fork", "sh", "-euc", IN_ROOT, "sh", *words],
                    check=True,
                    stdout=sys.stderr,
                )
            case "COPY":
                *names, target = [word for word in step.words if not word.startswith("--")]
                folder = root / target.lstrip("/")
                folder.mkdir(parents=True, exist_ok=True)
                for name in names:
                    shutil.copy(context / name, folder / name)
            case "ENV":
                environment |= dict(word.split("=", 1) for word in step.words)
            case "FROM" | "ARG" | "USER" | "VOLUME" | "EXPOSE" | "STOPSIGNAL":
                pass
            case "HEALTHCHECK" | "ENTRYPOINT":
                pass
            case _:
                raise ValueError(f"{step.word}: this is not known here")
    return environment


if __name__ == "__main__":
    file, context, root = map(Path, sys.argv[1:])
    for name, value in take(read(file), context.resolve(), root.resolve()).items():
        print(f"{name}={value}")
