"""``python -m edge.simulator --video out.mp4``: a video of the simulated counter.

The truth of each frame is drawn into it.
"""

from __future__ import annotations

from pathlib import Path

import click
import cv2

from catalog.core.allocator import bound_memory
from catalog.core.errors import SurroundingsError, VisualSearchError
from edge.sighting import Image
from edge.simulator.play import Play, PlayTruth


@click.command()
@click.option("--video", type=click.Path(dir_okay=False, path_type=Path), required=True)
@click.option("--seed", default=1, show_default=True, type=click.IntRange(0))
@click.option("--seconds", default=60, show_default=True, type=click.IntRange(1, 86400))
@click.option("--plain", is_flag=True, help="Without the truth: a video to show to the device.")
def main(video: Path, seed: int, seconds: int, *, plain: bool) -> None:
    """Write simulated scenes as a video (.mp4) that a person can watch.

    \b
    Examples:
      python -m edge.simulator --video scenes.mp4
      python -m edge.simulator --video scenes.mp4 --seed 7 --seconds 120 --plain
    """
    bound_memory()
    try:
        write_video(video, Play(seed), seconds, plain=plain)
    except VisualSearchError as error:
        click.echo(f"error: {error}", err=True)
        raise SystemExit(1) from error


def write_video(path: Path, play: Play, seconds: float, *, plain: bool = False) -> None:
    """Write the first seconds of a play as a video; `plain` leaves the truth out.

    Raises:
        SurroundingsError: The file cannot be written.
    """
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), play.fps, play.size)
    if not writer.isOpened():
        raise SurroundingsError(f"{path}: cannot be written; give a path that ends in .mp4")
    for index in range(round(seconds * play.fps)):
        image, truth = play.frame(index)
        writer.write(image if plain else labelled(image, truth))
    writer.release()


def labelled(image: Image, truth: PlayTruth) -> Image:
    """A frame (h, w, 3) with its truth drawn in."""
    drawn = image.copy()
    for place, shown in enumerate(truth.things):
        x, y, width, height = shown.box
        colour = (60, 200, 60) if place == 0 else (200, 160, 40)
        cv2.rectangle(drawn, (x, y), (x + width, y + height), colour, 2)
        _write(drawn, shown.sku or "not in the catalogue", (x, max(14, y - 6)))
    words = f"{truth.act} {truth.kind}: {truth.state}{', hand' if truth.hand else ''}"
    _write(drawn, words, (8, drawn.shape[0] - 10))
    return drawn


def _write(image: Image, text: str, at: tuple[int, int]) -> None:
    for colour, thickness in (((0, 0, 0), 3), ((255, 255, 255), 1)):
        cv2.putText(image, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.5, colour, thickness, cv2.LINE_AA)


if __name__ == "__main__":
    main()
