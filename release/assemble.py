"""Assemble a release of the program: wheels, list of parts, changelog, checksums, all signed.

    python -m release.assemble OUT WHEELHOUSE... --keys KEYS

Each WHEELHOUSE is a folder of `make wheelhouse`, for one Python and machine. All must hold the very
same wheel of this program, and its packages as they are locked. The release in OUT is what
``visual-search verify-release`` checks.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from pathlib import Path

import click

from catalog.bundles.manifest import file_digest
from catalog.core.errors import VisualSearchError
from release.sbom import bill
from sync.cli.owner import passphrase_file, passphrase_prompt
from sync.trust import software
from sync.trust.keys import KeyFolder

ROOT = Path(__file__).parents[1]
LOCKS = ("device.txt", "streams.txt")  # what `make wheelhouse` gathers
TEXTS = ("CHANGELOG.md", "LICENSE", "NOTICE")
OWN = re.compile(r"visual_search-(\d+\.\d+\.\d+)-py3-none-any\.whl")
NATIVE = re.compile(r"annoy-[^-]+-(cp\d+)-cp\d+-(?:many)?linux(?:_\d+_\d+|\d+)?_(\w+)\.whl")


def assemble(out: Path, wheelhouses: tuple[Path, ...]) -> str:
    """Gather everything of a release but its signature; returns its version.

    Raises:
        ValueError: A wheelhouse lacks a wheel, has one that is not locked, they do not belong
            together, or the changelog does not begin with this version.
    """
    out.mkdir(parents=True)
    own: dict[str, str] = {}
    locked = _locked_digests()
    for wheelhouse in wheelhouses:
        target = target_of(wheelhouse)
        _check_locked(wheelhouse, locked)
        shutil.copytree(wheelhouse, out / software.WHEELS / target)
        document = json.dumps(bill(wheelhouse), indent=1, ensure_ascii=False, sort_keys=True)
        (out / f"sbom-{target}.cdx.json").write_text(document + "\n", encoding="utf-8")
        wheel = _only(wheelhouse, OWN)
        own[wheel.name] = file_digest(wheel)
        if len(own) > 1 or own[wheel.name] != file_digest(_only(wheelhouses[0], OWN)):
            raise ValueError(f"{wheel}: is another program than {wheelhouses[0]} has")
    for name in TEXTS:
        shutil.copyfile(ROOT / name, out / name)
    found = OWN.fullmatch(next(iter(own)))
    assert found is not None
    newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.M)
    if newest is None or newest[1] != found[1]:
        raise ValueError(f"CHANGELOG.md: its newest version is not {found[1]}")
    sums = [
        f"{file_digest(file)}  {file.relative_to(out).as_posix()}\n"
        for file in sorted(out.rglob("*"))
        if file.is_file()
    ]
    (out / "SHA256SUMS").write_text("".join(sums), encoding="utf-8")
    return found[1]


def target_of(wheelhouse: Path) -> str:
    """The Python and machine of a wheelhouse, which Annoy's wheel names.

    Raises:
        ValueError: It has none.
    """
    found = NATIVE.fullmatch(_only(wheelhouse, NATIVE).name)
    assert found is not None
    return f"{found[1]}-{found[2]}"


def _locked_digests() -> set[str]:
    """The sha256 of each file that the locks allow."""
    texts = [(ROOT / "locks" / name).read_text(encoding="utf-8") for name in LOCKS]
    return set(re.findall(r"--hash=sha256:([0-9a-f]{64})", "".join(texts)))


def _check_locked(wheelhouse: Path, locked: set[str]) -> None:
    """Check all wheels but those that are built here: this program's, and Annoy's."""
    for file in sorted(wheelhouse.iterdir()):
        is_built = OWN.fullmatch(file.name) or NATIVE.fullmatch(file.name)
        if not is_built and file_digest(file) not in locked:
            raise ValueError(f"{file}: is not what locks/ name; make the wheelhouse again")


def _only(wheelhouse: Path, name: re.Pattern[str]) -> Path:
    files = [file for file in wheelhouse.iterdir() if name.fullmatch(file.name)]
    if len(files) != 1:
        raise ValueError(f"{wheelhouse}: {len(files)} wheels are called {name.pattern}, not one")
    return files[0]


@click.command()
@click.argument("out", type=click.Path(path_type=Path))
@click.argument(
    "wheelhouses", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True)
)
@click.option("--keys", required=True, type=click.Path(path_type=Path), help="The owner's keys.")
@passphrase_file
def main(
    out: Path, wheelhouses: tuple[Path, ...], keys: Path, passphrase_file: Path | None
) -> None:
    """Assemble the WHEELHOUSES of one version into a signed release in OUT."""
    if out.exists() and not (out / software.LIST).is_file() and any(out.iterdir()):
        raise click.UsageError(f"{out}: holds something else than a release; name another folder")
    made = out.absolute().with_name(f".{out.absolute().name}.new")
    try:
        owner = KeyFolder(keys, passphrase_prompt(passphrase_file))
        owner.signers("publisher")  # asks, before the long work
        shutil.rmtree(made, ignore_errors=True)
        signed = software.sign(made, assemble(made, wheelhouses), owner)
    except (ValueError, OSError, VisualSearchError) as error:
        shutil.rmtree(made, ignore_errors=True)
        raise click.ClickException(str(error)) from error
    shutil.rmtree(out, ignore_errors=True)
    made.rename(out)
    size = sum(entry.bytes for entry in signed.files.values())
    click.echo(f"{out}: release {signed.id}, {len(signed.files)} files, {size:,} bytes")
    click.echo(f"sha256 of its list: {hashlib.sha256(signed.content).hexdigest()}")


if __name__ == "__main__":
    main()
