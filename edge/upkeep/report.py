"""One archive for whoever helps: how this device is, without what is secret.

Out of it stay PINs, private keys, certificates, pictures, what visitors wrote, and passwords: those
of addresses, and all that stands in a setting whose name says that it is secret. So does the path
of the webhook's address, which many services take for a password.
"""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import tarfile
import time
import tomllib
from collections.abc import Callable, Iterable
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import tomlkit

from catalog.core.errors import ContentError, ShelfError
from catalog.core.findings import Finding
from catalog.core.settings import DeviceSettings
from edge.cameras.source_names import public_name
from edge.setup.apply import refuse_links
from edge.upkeep.archive import new_archive

JOURNAL_LINES = 5000
SHORTEST = 4  # characters of a secret that is looked for in other texts
PATIENCE_S = 30
STATE = ("edge.json", "sync.json")
SECRET_NAME = re.compile("pin|pass|secret|token|private|key", re.I)
SECRET_KEY = re.compile(rf"^(\s*[\w.-]*(?:{SECRET_NAME.pattern})[\w.-]*\s*=\s*).*$", re.I | re.M)
# Up to the last @ that may belong to an address: passwords are written with @, / and spaces.
USER_AND_PASSWORD = re.compile(r"(?<=//)(?:[^\s/@:]*:[^/\n]*@(?:\S*@)?|\S+@)")
PATH_WITH_PASSWORD = re.compile(r"(?<=://)([^\s/?#'\"]+/)[^\s?#'\"]*=[^\s'\"#]*")
QUERY = re.compile(r"(?<=\?)[^\s'\"#]+")  # of an address; cameras take passwords there
PEM = re.compile(r"-----BEGIN [^-]+-----.*?-----END [^-]+-----", re.S)


def without_secrets(text: str) -> str:
    """The text with `***` in place of what may be secret."""
    text = PEM.sub("***", text)
    text = SECRET_KEY.sub(r'\1"***"', text)
    text = USER_AND_PASSWORD.sub("***@", text)
    return QUERY.sub("***", PATH_WITH_PASSWORD.sub(r"\1***", text))


def public_settings(file: Path) -> tuple[str, dict[str, str]]:
    """The settings without secrets and comments, and what stands for each secret in other texts."""
    try:
        settings = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        return f"# {file}: {error.strerror}\n", {}
    except ValueError as error:  # what is secret in it cannot be told
        return f"# {file}: not TOML: {error}\n", {}
    hidden: dict[str, str] = {}
    return tomlkit.dumps(_public(settings, "", hidden)), hidden


def _public(value: Any, key: str, hidden: dict[str, str]) -> Any:
    """A value of the settings as it may be shown; adds each text that may not be to `hidden`."""
    if SECRET_NAME.search(key):
        shown: Any = "***"
    elif isinstance(value, dict):
        return {name: _public(part, name, hidden) for name, part in value.items()}
    elif isinstance(value, list):
        return [_public(part, key, hidden) for part in value]
    elif key == "webhook" and value:
        shown = re.sub(r"(?<=[^/:]/).*", "***", public_name(str(value)), flags=re.S)
    else:
        shown = public_name(value) if isinstance(value, str) else value
    is_path = isinstance(value, str) and value.startswith(("/", "~"))
    if isinstance(value, str) and len(value) >= SHORTEST and shown != value and not is_path:
        hidden[value] = shown
    return shown


def write_report(
    device: DeviceSettings,
    settings_file: Path | None,
    findings: Iterable[Finding],
    archive: Path,
    run: Callable[[list[str]], str] | None = None,
) -> list[str]:
    """Write the archive; returns the names of what is in it.

    Args:
        device: ``[device]``.
        settings_file: The settings; None where there are none.
        findings: What `visual-search doctor` found.
        archive: Where to write it; only its owner can read it.
        run: Runs a program of the system and returns what it printed.

    Raises:
        ContentError: It is there already.
        ShelfError: It cannot be written.
    """
    run = run or _run
    settings, hidden = public_settings(settings_file) if settings_file is not None else ("", {})
    parts = {
        "about.json": json.dumps(
            {
                "version": version("visual-search"),
                "made": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
                "system": " ".join(os.uname()),
                "disk": dict(zip(("total", "used", "free"), _disk(device.folder), strict=True)),
            },
            indent=1,
        ),
        "doctor.json": json.dumps([asdict(finding) for finding in findings], indent=1),
        "settings.toml": settings,
        "files.txt": _files(device.folder),
        "journal.txt": run(
            ["journalctl", "--namespace", "visual-search", "--no-pager", "-n", str(JOURNAL_LINES)]
        ),
        "services.txt": run(["systemctl", "--no-pager", "--full", "status", "visual-search*"]),
        "kernel.txt": run(["dmesg", "--level", "err,warn"]),
        **{f"state/{name}": _text(device.state / name, device.folder) for name in STATE},
    }
    try:
        with (
            new_archive(archive) as target,
            tarfile.open(fileobj=target, mode="w:gz") as out,
        ):
            for name, text in parts.items():
                for secret in sorted(hidden, key=len, reverse=True):
                    text = text.replace(secret, hidden[secret])
                content = without_secrets(text).encode("utf-8", "replace")
                entry = tarfile.TarInfo(name)
                entry.size, entry.mode, entry.mtime = len(content), 0o600, int(time.time())
                out.addfile(entry, io.BytesIO(content))
    except OSError as error:
        raise ShelfError(f"{archive}: {error.strerror}") from error
    return list(parts)


def _disk(folder: Path) -> tuple[int, int, int]:
    try:
        usage = shutil.disk_usage(folder)
    except OSError:
        return 0, 0, 0
    return usage.total, usage.used, usage.free


def _text(path: Path, data: Path) -> str:
    try:
        refuse_links(path, data)
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        return f"{path}: {error.strerror}\n"
    except ContentError as error:
        return f"{error}\n"


def _files(folder: Path) -> str:
    """Sizes and names of what is in the data folder."""
    lines = []
    for root, _, names in os.walk(folder):
        for name in sorted(names):
            path = Path(root, name)
            try:
                lines.append(f"{path.lstat().st_size:>12} {path.relative_to(folder)}")
            except OSError:  # gone meanwhile
                continue
    return "\n".join(lines) + "\n"


def _run(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, timeout=PATIENCE_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{command[0]}: {error}\n"
    return (done.stdout + done.stderr).decode("utf-8", "replace")
