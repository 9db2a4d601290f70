"""Fine-tune the shipped weights with a shop's own photos, and write a featurizer folder.

A fifth of the photos is held back, so that `visual-search catalog compare` can measure whether
the fine-tuning helped.
"""

from __future__ import annotations

import math
import shlex
import sys
from collections.abc import Sequence, Set
from dataclasses import replace
from pathlib import Path

import click
from rich.console import Console

from catalog.bundles.manifest import MANIFEST
from catalog.cli.sources import items_option, print_source
from catalog.core.errors import ContentError, FeaturizerError, MissingExtraError
from catalog.core.terminal import as_json, print_json, progress_bars
from catalog.networks.engines.checkpoint import PARAMETERS_FILE, SYMBOL_FILE, has_checkpoint
from catalog.networks.folder import written_whole
from catalog.networks.network import DESCRIPTOR, EMBEDDED, Descriptor, read_descriptor
from catalog.sources.read import read_source
from catalog.sources.source import ItemFolders, ReadOptions, SourceItem
from training.errors import plain_errors
from training.settings import SETTINGS, read
from training.shop import (
    HELD_BACK,
    LEARNT,
    are_parts,
    parted,
    photo_files,
    read_photos,
    replaced,
    write_parts,
)

LONGEST_MINUTES = 24 * 60


def _minutes(context: click.Context, parameter: click.Parameter, value: float) -> float:
    """Refuse NaN, which click's range accepts."""
    if math.isnan(value):
        raise click.BadParameter("nan is not a number of minutes")
    return value


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("photos", type=click.Path(path_type=Path))
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="The featurizer folder to write."
)
@click.option(
    "--keep",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Where links to the photos go: those held back, those learnt from [OUT-photos].",
)
@items_option
@click.option(
    "--minutes",
    type=click.FloatRange(0, LONGEST_MINUTES, min_open=True),
    callback=_minutes,
    default=10.0,
    show_default=True,
    help="How long to train.",
)
@click.option(
    "--start",
    type=click.Path(path_type=Path),
    default=EMBEDDED,
    help="Go on from a folder that this command wrote [the embedded network].",
)
@click.option(
    "--threads",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="More than the cores that are free make it slower.",
)
@click.option("--seed", type=int, default=1, show_default=True, help="Of all that is random.")
@as_json
def finetune(  # noqa: PLR0913  # click passes each option of the command
    photos: Path,
    out: Path,
    keep: Path | None,
    items: ItemFolders | None,
    minutes: float,
    start: Path,
    threads: int,
    seed: int,
    *,
    as_json: bool,
) -> None:
    """Fine-tune the embedded network with PHOTOS; needs the extra `train`.

    PHOTOS is whatever `visual-search catalog build` takes: a folder with a folder for each
    item, or a table. A fifth of each item's photos is held back, the same each time; the last
    line printed is the command that tells on those whether it helped.

    \b
    Example:
      python -m training.finetune photos/ --out own-network --minutes 10
    """
    out = out.resolve()
    keep = (keep or out.with_name(f"{out.name}-photos")).resolve()
    console = Console(stderr=True)
    skipped: list[dict[str, str]] = []

    def left_out(name: str, reason: str) -> None:
        skipped.append({"name": name, "reason": reason})
        console.print(f"left out: {name}: {reason}", style="yellow", markup=False, soft_wrap=True)

    source = read_source(photos, ReadOptions(items))
    print_source(console, source)
    entries = photo_files(source.items, left_out)
    _check_places(photos, entries, start, out, keep)
    descriptor = replace(_ours(start), name=out.name)
    _check_contents(out, keep, descriptor)
    try:
        import torch

        from training.export import write
        from training.shipped import read_network
        from training.tuning import Shop, tune
    except ModuleNotFoundError as error:
        raise MissingExtraError("fine-tuning", "train") from error
    torch.set_num_threads(threads)
    settings = read(SETTINGS)
    network = read_network(start, settings.network)
    with progress_bars(console) as show:
        read_now = read_photos(entries, left_out, lambda done, total: show("photos", done, total))
        learnt, held_back = parted(read_now)
        # Both folders are begun first: the training must not be lost where they cannot be written.
        with replaced(keep) as links:
            write_parts(learnt, held_back, links)
            if out.exists() and not any(out.iterdir()):
                out.rmdir()  # `written_whole` replaces featurizer folders alone
            with written_whole(out) as new:
                steps = tune(
                    network,
                    Shop.of(learnt),
                    descriptor,
                    settings.finetune,
                    minutes,
                    seed,
                    lambda done, total: show("seconds", done, total),
                )
                write(network.eval(), descriptor, new)
    known, asking = keep / LEARNT, keep / HELD_BACK
    words = ["visual-search", "catalog", "compare", known, "--queries", asking]
    compare = shlex.join(map(str, [*words, "--model", "embedded", "--model", out]))
    if as_json:
        counts = {"photos": len(learnt), "held_back": len(held_back), "steps": steps}
        print_json({"out": str(out), **counts, "skipped": skipped, "next": compare})
        return
    click.echo(
        f"{out}: {steps} steps with {len(learnt)} photos; {len(held_back)} others were held back"
    )
    click.echo(f"next: {compare}")


def _check_places(
    photos: Path, entries: Sequence[SourceItem], start: Path, out: Path, keep: Path
) -> None:
    """Refuse places where another folder would be replaced, or taken for an item.

    Raises:
        ContentError: Says which place, and what to name instead.
    """
    files = {Path(place) for entry in entries for place in entry.photos}
    folders = {parent for file in files for parent in file.resolve().parents}
    folders |= {parent for file in files for parent in file.absolute().parents}
    taken = {
        photos.resolve(): f"the {'folder' if photos.is_dir() else 'table'} of the photos",
        start.resolve(): "the network that it starts from",
        EMBEDDED.resolve(): "the embedded network",
    }
    for option, place in (("--out", out), ("--keep", keep)):
        instead = f"name another folder with {option}"
        for other, what in taken.items():
            if how := _meets(place, other):
                raise ContentError(f"{place}: {how} {what}; {instead}")
        if place in folders:
            raise ContentError(f"{place}: holds photos that are learnt from; {instead}")
        if (place.parent / MANIFEST).exists():
            raise ContentError(f"{place}: lies in a bundle; {instead}")
    if how := _meets(keep, out):
        raise ContentError(f"{keep}: {how} the network's folder; name another one with --keep")


def _check_contents(out: Path, keep: Path, descriptor: Descriptor) -> None:
    """Refuse to replace folders that hold more than this command writes.

    Raises:
        ContentError: Says which folder, and what to name instead.
    """
    ours = {DESCRIPTOR, descriptor.network, SYMBOL_FILE, PARAMETERS_FILE}
    if out.exists() and not _is_featurizer(out, ours):
        raise ContentError(f"{out}: holds something else; name another folder with --out")
    if keep.exists() and not are_parts(keep):
        raise ContentError(f"{keep}: holds something else; name another folder with --keep")


def _is_featurizer(folder: Path, ours: Set[str]) -> bool:
    """Whether a folder is empty, or has a descriptor and no more than our files."""
    if not folder.is_dir():
        return False
    found = list(folder.iterdir())
    names = {path.name for path in found}
    return not found or (
        DESCRIPTOR in names and names <= ours and all(path.is_file() for path in found)
    )


def _meets(place: Path, other: Path) -> str:
    """Say how two places overlap; empty where they do not."""
    if place == other:
        return "is"
    if place in other.parents:
        return "holds"
    return "lies in" if other in place.parents else ""


def _ours(start: Path) -> Descriptor:
    """Read the descriptor of a featurizer folder that the training can continue from.

    Raises:
        FeaturizerError: There is none, or the network is of another kind.
    """
    if not start.is_dir():
        raise FeaturizerError(f"{start}: no such featurizer folder")
    descriptor = read_descriptor(start)
    if not has_checkpoint(start / descriptor.network) or descriptor.channels != "rgb":
        raise FeaturizerError(
            f"{start}: another network than this training makes; name a folder that it wrote"
        )
    return descriptor


def main() -> None:
    """Run the command; errors become one plain sentence and an exit code."""
    try:
        with plain_errors():
            finetune(prog_name="python -m training.finetune", standalone_mode=False)
    except click.Abort:
        sys.exit("stopped")
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
