"""``visual-search catalog draw``: the demonstration's goods, as a table and photos."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console

from catalog.core.access import why_unwritable
from catalog.core.errors import ShelfError
from catalog.core.terminal import as_json, counted, print_json, progress_bars


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@as_json
def draw(folder: Path, *, as_json: bool) -> None:
    """Draw the goods of the demonstration into FOLDER: items.csv, and four photos of each.

    They are invented, and always the same. So a catalogue can be built without photos of one's
    own, and the photos be shown to a camera, printed or on a phone. What is drawn already stays.

    \b
    Examples:
      visual-search catalog draw goods
      visual-search catalog build goods/items.csv --out goods.bundle
    """
    from catalog.synthetic.items import drawn_items
    from catalog.synthetic.photos import check_replaceable, draw_catalogue, is_complete

    place = folder.absolute()
    check_replaceable(place)
    if not is_complete(place):
        try:
            with progress_bars(Console(stderr=True)) as show:
                draw_catalogue(place, progress=lambda done, total: show("drawing", done, total))
        except OSError as error:
            raise ShelfError(f"{folder}: cannot be written: {why_unwritable(error)}") from error
    items = len(drawn_items())
    if as_json:
        print_json({"folder": str(folder), "items": items})
    else:
        click.echo(f"{counted(items, 'item')} and items.csv in {folder}")
