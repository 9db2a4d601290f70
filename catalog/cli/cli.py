"""``visual-search catalog``: inspect, search and activate bundles; other modules add the rest."""

from __future__ import annotations

from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from catalog.cli.after_activating import what_is_next
from catalog.cli.assemble import assemble
from catalog.cli.build import build
from catalog.cli.cache import cache
from catalog.cli.compare import compare
from catalog.cli.draw import draw
from catalog.cli.embed import embed
from catalog.cli.evaluate import confusions, evaluate
from catalog.cli.expected import advice, expectation, in_words
from catalog.cli.export import export
from catalog.cli.foreign_share import foreign_share_option
from catalog.cli.model import model
from catalog.core.errors import PhotoError
from catalog.core.settings import CatalogSettings, DeviceSettings, load
from catalog.core.terminal import as_json, one_line, print_json

if TYPE_CHECKING:
    from catalog.catalogue import ItemMatch

vectors_only = click.option(
    "--vectors-only",
    is_flag=True,
    help="Search plain neighbours by their vectors, without local features and confidence.",
)
exact_search = click.option(
    "--exact", is_flag=True, help="Compare every vector instead of using the index."
)


whole_picture = click.option(
    "--whole",
    is_flag=True,
    help="Search all of each photo, not only the thing that is found in it.",
)


@click.group()
def catalog() -> None:
    """Build a catalogue from photos, inspect it and put it on this device."""


for command in (build, draw, assemble, cache, embed, export, model, compare, evaluate, confusions):
    catalog.add_command(command)


@catalog.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@as_json
@click.pass_obj
def activate(config: Path | None, bundle: Path, *, as_json: bool) -> None:
    """Check BUNDLE, copy it onto this device's shelf and switch to it.

    A running appliance opens it at its next frame.

    \b
    Example:
      visual-search catalog activate shop.bundle
    """
    from catalog.bundles.shelf import Shelf

    device = load("device", DeviceSettings, config)
    engine = load("catalog", CatalogSettings, config).engine
    done = Shelf(device.shelf).activate(bundle, engine)
    if as_json:
        print_json(asdict(done))
        return
    click.echo(f"active: {done.bundle}" + (f" (before: {done.previous})" if done.previous else ""))
    click.echo(what_is_next(device.state))


@catalog.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.argument("photos", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--limit",
    default=5,
    show_default=True,
    type=click.IntRange(1, 1000),
    help="How many items to show for each photo.",
)
@vectors_only
@exact_search
@whole_picture
@click.option(
    "--read", is_flag=True, help="Also read the words on the photos, as a device with text does."
)
@foreign_share_option
@as_json
@click.pass_obj
def search(  # noqa: PLR0913  # click passes each option of the command
    config: Path | None,
    bundle: Path,
    photos: tuple[Path, ...],
    limit: int,
    *,
    vectors_only: bool,
    exact: bool,
    whole: bool,
    read: bool,
    foreign_share: float | None,
    as_json: bool,
) -> None:
    """Search BUNDLE with PHOTOS and say how sure each answer is.

    Where most photos of BUNDLE show things alone, before a plain background, the thing in each
    photo is found first, and only the part around it is searched; --whole searches all of it.

    Only --read finds items without a photo: by the words on the thing.

    Photos that cannot be used are named, and the others are answered; then it exits with 1.

    \b
    Examples:
      visual-search catalog search shop.bundle unknown-part.jpg
      visual-search catalog search shop.bundle package.jpg --read
      visual-search catalog search shop.bundle unknown-part.jpg --vectors-only
    """
    from catalog.catalogue import Catalogue
    from catalog.networks.text_reader import TextReader

    if vectors_only and read:
        raise click.UsageError("--read is about more than vectors; not with --vectors-only")
    engine = load("catalog", CatalogSettings, config).engine
    reader = TextReader(keep_open=True) if read else None
    answers, errors = [], []
    with Catalogue.open(bundle, engine=engine) as catalogue:
        for photo in photos:
            document: dict[str, Any] = {"photo": str(photo)}
            try:
                if vectors_only:
                    matches = catalogue.search(photo, limit=limit, exact=exact, whole=whole)
                else:
                    answer = catalogue.identify(
                        photo,
                        limit=limit,
                        exact=exact,
                        foreign_share=foreign_share,
                        whole=whole,
                        reader=reader,
                    )
                    matches, named = answer.matches, len(answer.named)
                    document |= {
                        "answer": answer.verdict.value,
                        "named": named,
                        "unknown": named == 0,
                    }
                    if answer.guesses:
                        document["guesses"] = len(answer.guesses)
                    if answer.box is not None:
                        document["box"] = asdict(answer.box)
            except PhotoError as error:
                click.echo(one_line(f"error: {error}"), err=True)
                errors.append(document | {"error": str(error)})
                continue
            answers.append(document | {"matches": [_document(match) for match in matches]})
    if as_json:
        print_json({"bundle": catalogue.id, "answers": answers, "errors": errors})
    else:
        for document in answers:
            _print_answer(document)
    if errors:
        raise click.exceptions.Exit(1)


@catalog.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.argument("words", nargs=-1, required=True)
@click.option(
    "--limit",
    default=20,
    show_default=True,
    type=click.IntRange(1, 1000),
    help="How many items to show.",
)
@as_json
def find(bundle: Path, words: tuple[str, ...], limit: int, *, as_json: bool) -> None:
    """Find items of BUNDLE by WORDS of their titles, skus and attributes.

    Whole words come first, then beginnings of words, parts of words, and words that are spelled
    much alike. It is the search of the page.

    \b
    Examples:
      visual-search catalog find shop.bundle hex bolt
      visual-search catalog find shop.bundle ab1234 --limit 1 --json
    """
    from catalog.bundles.contents import open_items
    from catalog.bundles.manifest import verify

    manifest, identity = verify(bundle)
    with closing(open_items(bundle, manifest)) as items:
        found = items.find(" ".join(words), limit)
    if as_json:
        documents = [asdict(item) for item in found]
        print_json({"bundle": identity, "query": " ".join(words), "items": documents})
        return
    if not found:
        click.echo("nothing found")
        return
    table = Table()
    for name in ("sku", "title", "price", "location"):
        table.add_column(name)
    for item in found:
        cells = (item.sku, item.title, item.price, item.location)
        table.add_row(*(Text(one_line(cell)) for cell in cells))
    Console().print(table)


def _document(match: ItemMatch) -> dict[str, Any]:
    return {
        "sku": match.item.sku,
        "photo": match.photo,
        "similarity": match.similarity,
        "sure": match.confidence,
        "title": match.item.title,
    }


def _print_answer(answer: dict[str, Any]) -> None:
    table = Table(title=Text(one_line(answer["photo"])), title_justify="left")
    sure = "answer" in answer
    for column in ("sku", "title", "similarity", *(["sure"] if sure else [])):
        numeric = column in ("similarity", "sure")
        table.add_column(column, justify="right" if numeric else "left")
    for match in answer["matches"]:
        numbers = [f"{match['similarity']:.3f}", *([f"{match['sure']:.1%}"] if sure else [])]
        table.add_row(Text(one_line(match["sku"])), Text(one_line(match["title"])), *numbers)
    Console().print(table)
    if answer.get("answer") == "one_of":
        click.echo(f"one of the first {answer['named']}")
    if answer.get("unknown"):
        click.echo(_guesses(answer.get("guesses", 0)))


def _guesses(number: int) -> str:
    if not number:
        return "unknown: not sure enough that it is any of these"
    of = "the first" if number == 1 else f"one of the first {number}"
    return f"perhaps {of}: not sure enough to name it"


@catalog.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@as_json
def inspect(bundle: Path, *, as_json: bool) -> None:
    """Check BUNDLE's files, say what is in it and what to expect of its answers.

    "of 100 own" are pictures of its own things: the more are right, the better. "of 100 alike" are
    pictures of things like its own that it does not hold, measured by leaving out each item in
    turn: there "unknown" is the right answer. So it is for "of 100 foreign": pictures of other
    things, hands and empty counters, which come with this program.

    \b
    Example:
      visual-search catalog inspect shop.bundle
    """
    from catalog.bundles.manifest import verify
    from catalog.networks.pair import read_pair

    manifest, identity = verify(bundle)
    if as_json:
        print_json({"id": identity, **manifest.model_dump()})
        return
    index, calibration = manifest.index, manifest.calibration
    projection = manifest.featurizer.projection
    pair = read_pair(bundle / "featurizer")
    size = sum(entry.bytes for entry in manifest.files.values())
    how = (
        "every vector compared"
        if index.kind == "exact"
        else (
            f"Annoy, {index.n_trees} trees, search_k {index.search_k}, "
            f"recall@10 {index.recall:.3f} against exact search"
        )
    )
    rows = {
        "id": identity,
        "title": manifest.title,
        "items": f"{manifest.items:,}",
        "photos": f"{manifest.photos:,}",
        "network": manifest.featurizer.name
        + (", which count {:.0%} and {:.0%}".format(*pair.weights) if pair else "")
        + f", {manifest.featurizer.dimensions} dimensions, "
        f"{manifest.featurizer.size} pixels (id {manifest.featurizer.id})"
        + (f", shortened from {projection.dimensions}" if projection else ""),
        "search": how + (f" ({index.reason})" if index.reason else ""),
        "local features": f"{manifest.local_features.features:,}"
        if manifest.local_features
        else "none, because they would not help",
        "how sure": "learned from many catalogues, and adjusted to the photos of this one; of 100 "
        "answers that are called 80% sure 80 are right, where "
        f"{calibration.foreign_share:.0%} of what is shown is not in it",
        "unknown": f"below {calibration.rejection_threshold:.1%} "
        "for all that would be named together",
        "one of these": f"where the first has less than {calibration.ambiguity_ratio:.0%} of that",
        "of 100 own": expectation(calibration),
        **({"to do": todo} if (todo := advice(calibration, bundle)) else {}),
        "of 100 alike": in_words(calibration.expected_held_out) + "; unknown is right here"
        if calibration.expected_held_out
        else "too few items to tell",
        "of 100 foreign": in_words(calibration.expected_distractors) + "; unknown is right here",
        "size": f"{size / 1e6:.1f} MB in {len(manifest.files)} files, all digests right",
    }
    table = Table(show_header=False, box=None)
    for name, value in rows.items():
        table.add_row(name, Text(one_line(value)))
    Console().print(table)
