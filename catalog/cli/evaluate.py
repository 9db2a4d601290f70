"""``visual-search catalog evaluate`` and ``confusions``: measure a bundle and find its mistakes."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from catalog.cli.foreign_share import foreign_share_option
from catalog.cli.sources import items_option
from catalog.core.access import why_unwritable
from catalog.core.errors import SurroundingsError
from catalog.core.settings import CatalogSettings, load
from catalog.core.terminal import as_json, counted, names, one_line, print_json, progress_bars

if TYPE_CHECKING:
    from catalog.evaluation.evaluate import Evaluation, PhotoAnswer
    from catalog.recognition.calibration import Calibration, OutcomeShares
    from catalog.sources.source import ItemFolders


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.argument("labelled_photos", type=click.Path(path_type=Path))
@click.option(
    "--foreign",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Photos of things that the bundle does not hold.",
)
@items_option
@click.option(
    "--charts",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Where to draw trade-off.png and reliability.png.",
)
@click.option("--vectors-only", is_flag=True, help="Search plain neighbours by their vectors.")
@click.option("--exact", is_flag=True, help="Compare every vector instead of using the index.")
@click.option(
    "--whole",
    is_flag=True,
    help="Search all of each photo, not only the thing that is found in it.",
)
@click.option(
    "--read", is_flag=True, help="Also read the words on the photos, as a device with text does."
)
@foreign_share_option
@as_json
@click.pass_obj
def evaluate(  # noqa: PLR0913  # click passes each option of the command
    config: Path | None,
    bundle: Path,
    labelled_photos: Path,
    foreign: Path | None,
    charts: Path | None,
    items: ItemFolders | None,
    *,
    vectors_only: bool,
    exact: bool,
    whole: bool,
    read: bool,
    foreign_share: float | None,
    as_json: bool,
) -> None:
    """Measure how often BUNDLE is right on LABELLED_PHOTOS, a folder for each sku.

    With --foreign, this also measures how often a thing that BUNDLE does not hold is named, and
    whether the answers were as good as BUNDLE predicts. --charts draws what other thresholds
    would do, and whether answers that are "80 % sure" are right in 80 of 100 cases.

    \b
    Examples:
      visual-search catalog evaluate shop.bundle test-photos/ --json
      visual-search catalog evaluate shop.bundle test-photos/ --foreign others/ --charts charts/
    """
    from catalog.bundles.bundle import Bundle
    from catalog.evaluation.evaluate import evaluate as evaluate_bundle
    from catalog.networks.text_reader import TextReader
    from catalog.sources.source import ReadOptions

    if vectors_only and charts is not None:
        raise click.UsageError("--charts are about how sure answers are; not with --vectors-only")
    if vectors_only and read:
        raise click.UsageError("--read is about more than vectors; not with --vectors-only")
    settings = load("catalog", CatalogSettings, config)
    with (
        Bundle.open(bundle, settings.engine) as opened,
        progress_bars(Console(stderr=True)) as show,
    ):
        result, answers = evaluate_bundle(
            opened,
            labelled_photos,
            settings.cache,
            foreign=foreign,
            reading=ReadOptions(items),
            exact=exact,
            vectors_only=vectors_only,
            foreign_share=foreign_share,
            whole=whole,
            reader=TextReader(keep_open=True) if read else None,
            progress=lambda done, total: show("photos", done, total),
        )
    calibration = opened.manifest.calibration
    if charts is not None:
        _draw_charts(charts, answers, calibration)
    if as_json:
        print_json(_document(result))
        return
    unknown = "" if result.unknown is None else f", {result.unknown:.1%} called unknown"
    if result.known is not None and result.known.perhaps:
        unknown += f"; of its own things {result.known.perhaps:.1%} have it among the guesses"
    click.echo(
        f"{counted(result.queries, 'photo')}: {result.top1:.1%} right first, "
        f"{result.top5:.1%} among the first five{unknown}"
    )
    for photo in result.skipped:
        click.echo(one_line(f"left out: {photo.name}: {photo.reason}"))
    if result.copies:
        click.echo(
            f"{result.copies} of the photos are copies of the catalogue's own, which are found "
            "more easily than new photos: the figures flatter it"
        )
    if result.foreign_labels:
        click.echo(f"not in the catalogue, so never right: {names(result.foreign_labels)}")
    if not vectors_only:
        _print_expected(result, calibration)


def _draw_charts(folder: Path, answers: list[PhotoAnswer], calibration: Calibration) -> None:
    from catalog.evaluation.charts import draw_reliability, draw_trade_off

    try:
        folder.mkdir(parents=True, exist_ok=True)
        draw_reliability(answers, folder / "reliability.png")
        draw_trade_off(answers, calibration.rejection_threshold, folder / "trade-off.png")
    except OSError as error:
        raise SurroundingsError(f"{folder}: cannot be written: {why_unwritable(error)}") from error


def _document(result: Evaluation) -> dict[str, object]:
    return asdict(result) | {
        "known": result.known.model_dump() if result.known else None,
        "foreign": result.foreign.model_dump() if result.foreign else None,
    }


def _print_expected(result: Evaluation, calibration: Calibration) -> None:
    table = Table(box=None)
    columns = ("of 100 looks at", "right", "one of these", "perhaps", "unknown", "wrong")
    for column in columns:
        table.add_column(column, justify="left" if column.startswith("of") else "right")
    rows: list[tuple[str, OutcomeShares | None]] = [("its own things, measured", result.known)]
    rows.append(("  expected", calibration.expected_in_catalogue if result.known else None))
    rows.append((f"{result.foreign_asked} foreign photos, measured", result.foreign))
    if result.foreign:
        rows.append(("  expected of things like its own", calibration.expected_held_out))
        rows.append(("  expected of shipped ones", calibration.expected_distractors))
    for name, shares in rows:
        if shares is not None:
            cells = (shares.right, shares.one_of, shares.perhaps, shares.unknown, shares.wrong)
            table.add_row(name, *(f"{100 * share:.1f}" for share in cells))
    Console().print(table)
    if result.held is not None:
        points = 100 * calibration.uncertainty
        click.echo(
            f"the prediction held: right within {points:.0f} points, foreign photos within 5"
            if result.held
            else f"the prediction did not hold: right is more than {points:.0f} points away, "
            "or foreign photos more than 5"
        )
    if result.auroc is not None:
        click.echo(f"known above foreign by how sure (AUROC): {result.auroc:.3f}")
    if result.calibration_error is not None:
        click.echo(f"expected calibration error of how sure: {result.calibration_error:.3f}")


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="The HTML report to write.")
@click.option(
    "--most", default=50, show_default=True, type=click.IntRange(1), help="How many pairs to name."
)
@as_json
@click.pass_obj
def confusions(
    config: Path | None, bundle: Path, out: Path | None, most: int, *, as_json: bool
) -> None:
    """Name the pairs of items of BUNDLE that the device will mix up, the worst first.

    Each stored photo is used as a query, as if it were new. More photos of the items at the top
    help most. The report shows their pictures side by side, in one file.

    \b
    Examples:
      visual-search catalog confusions shop.bundle --out confusions.html
      visual-search catalog confusions shop.bundle --json
    """
    from catalog.bundles.bundle import Bundle
    from catalog.evaluation.confusions import confused, report

    engine = load("catalog", CatalogSettings, config).engine
    with Bundle.open(bundle, engine) as opened:
        with progress_bars(Console(stderr=True)) as show:
            pairs = confused(opened, lambda done, total: show("photos", done, total))[:most]
        if out is not None:
            try:
                out.write_text(report(opened, pairs), encoding="utf-8")
            except OSError as error:
                raise SurroundingsError(
                    f"{out}: cannot be written: {why_unwritable(error)}"
                ) from error
    if as_json:
        print_json({"bundle": opened.id, "pairs": [asdict(pair) for pair in pairs]})
        return
    if not pairs:
        click.echo("no two items that the device would mix up")
        return
    table = Table(box=None)
    for column in ("shown", "taken for", "how likely"):
        table.add_column(column, justify="right" if column == "how likely" else "left")
    for pair in pairs:
        table.add_row(Text(one_line(pair.sku)), Text(one_line(pair.other)), f"{pair.likely:.1%}")
    Console().print(table)
    if out is not None:
        click.echo(f"with pictures: {out}")
