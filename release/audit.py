"""Audit what is installed here of a device's packages, without asking anybody; fail on any doubt.

    python -m release.audit

For each package of ``locks/device.txt`` and ``locks/streams.txt`` in this environment:

- it has the version of the lock, and every file is as its wheel brought it (RECORD's sha256);
- its licence is one of those that ``release/audit.toml`` allows;
- it, and each native library in it, is at least as new as that file says, with the weaknesses that
  an older one has. A native library that the file does not name at all is a failure, too.

No database of weaknesses is asked, since a build must not need one: the file is renewed by people.
"""

from __future__ import annotations

import base64
import hashlib
import re
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from pydantic import BaseModel, ConfigDict

from release.sbom import licence_of, parts_of

ROOT = Path(__file__).parents[1]
RULES = Path(__file__).with_name("audit.toml")
LOCKS = ("device.txt", "streams.txt")
PINNED = re.compile(r"^[a-z0-9-]+(?:\[.*?\])?==.*?(?= \\$)", re.M)
MADE_HERE = re.compile(r"\.pyc$|/RECORD$|/(INSTALLER|REQUESTED|direct_url\.json)$|^\.\./")


class Rules(BaseModel):
    """What ``audit.toml`` says.

    Attributes:
        licences: Those that are allowed, as packages name them.
        minimum: By the name of a package or native library: its oldest version, and the weaknesses
            of those before.
        accepted: By name and version: why an older one is no weakness here.
        interfaces: Shared libraries that say their interface's version alone, or none.
        parts: Other native libraries, of which no weakness is known to who wrote the file.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    licences: frozenset[str]
    interfaces: frozenset[str]
    parts: frozenset[str]
    minimum: dict[str, tuple[str, str]]
    accepted: dict[str, str]


@dataclass(frozen=True)
class Audit:
    """An audit of one environment: how many packages, files and parts it saw, and what failed."""

    packages: int
    files: int
    parts: int
    failures: list[str]


def audit(rules: Rules, locked: dict[str, str]) -> Audit:
    """Audit the packages of a lock in this environment.

    Args:
        rules: What is allowed.
        locked: The version of each package.
    """
    failures: list[str] = []
    files = parts = 0
    for name, version in sorted(locked.items()):
        try:
            package = distribution(name)
        except PackageNotFoundError:
            failures.append(f"{name} {version}: is not installed, so it could not be audited")
            continue
        failures += [f"{name} {version}: {text}" for text in _of_package(package, version, rules)]
        failures += [f"{name} {version}: {text}" for text in changed_files(package)]
        found = native_parts(package)
        failures += [f"{name} {version}: {text}" for text in too_old(found, rules)]
        files += len(package.files or [])
        parts += len(found)
    return Audit(len(locked), files, parts, failures)


def locked_versions() -> dict[str, str]:
    """The version of each package that a device installs, by the locks.

    Left out are those for other systems and Pythons, and pip, with which environments come.
    """
    found = {}
    for lock in LOCKS:
        for line in PINNED.findall((ROOT / "locks" / lock).read_text("utf-8")):
            wanted = Requirement(line)
            if wanted.marker is None or wanted.marker.evaluate():
                found[wanted.name] = str(wanted.specifier).removeprefix("==")
    return {name: version for name, version in found.items() if name != "pip"}


def changed_files(package: Distribution) -> Iterator[str]:
    """What of a package is not as its wheel brought it."""
    if not package.files:
        yield "has no list of its files, so they could not be audited"
    for file in package.files or []:
        if MADE_HERE.search(str(file)):
            continue
        path = Path(str(file.locate()))
        if file.hash is None or file.hash.mode != "sha256":
            yield f"{file}: has no sha256, so it could not be audited"
        elif not path.is_file():
            yield f"{file}: is missing"
        else:
            digest = hashlib.sha256(path.read_bytes()).digest()
            if base64.urlsafe_b64encode(digest).decode().rstrip("=") != file.hash.value:
                yield f"{file}: is not what its wheel brought"


def native_parts(package: Distribution) -> list[dict[str, Any]]:
    """The native libraries of a package, without crates of Rust: `make sbom` alone lists those."""
    names = [str(file) for file in package.files or []]
    found = parts_of(
        package.metadata["Name"],
        names,
        lambda name: Path(str(package.locate_file(name))).read_bytes(),
    )
    return [part for part in found if not part.get("purl", "").startswith("pkg:cargo/")]


def too_old(parts: list[dict[str, Any]], rules: Rules) -> Iterator[str]:
    """Which native libraries are older than the rules allow, or not named there."""
    for part in parts:
        name, version = part["name"], part.get("version", "")
        if f"{name} {version}".strip() in rules.accepted:
            continue
        if "purl" not in part and name in rules.interfaces:
            continue
        if name in rules.minimum:
            yield from _older(name, version, rules)
        elif name not in rules.parts:
            yield f"{name} {version}: is not named in {RULES.name}, so it could not be audited"


def _of_package(package: Distribution, version: str, rules: Rules) -> Iterator[str]:
    said = package.metadata
    if package.version != version:
        yield f"{package.version} is installed"
    licence = licence_of(said.get_all("Classifier") or [], said)
    if licence not in rules.licences:
        yield f"its licence, {licence or 'none'!r}, is not among those that {RULES.name} allows"
    name = re.sub(r"[-_.]+", "-", said["Name"]).lower()
    if name in rules.minimum:
        yield from _older(name, package.version, rules)


def _older(name: str, version: str, rules: Rules) -> Iterator[str]:
    minimum, weaknesses = rules.minimum[name]
    if not _numbers(version):
        yield f"{name}: says no version, so it could not be audited ({weaknesses})"
    elif _numbers(version) < _numbers(minimum):
        yield f"{name} {version}: is older than {minimum}: {weaknesses}"


def _numbers(version: str) -> tuple[int, ...]:
    leading = re.match(r"\d+(\.\d+)*", version)
    return tuple(int(part) for part in leading[0].split(".")) if leading else ()


def main() -> None:
    """Print what failed, and exit with 1 where something did."""
    rules = Rules.model_validate(tomllib.loads(RULES.read_text("utf-8")))
    done = audit(rules, locked_versions())
    for failure in done.failures:
        print(failure, file=sys.stderr)
    print(
        f"{done.packages} packages, {done.files:,} files, {done.parts} native libraries: "
        f"{len(done.failures)} failures"
    )
    sys.exit(bool(done.failures))


if __name__ == "__main__":
    main()
