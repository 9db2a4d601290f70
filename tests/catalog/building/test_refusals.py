"""The words of docs/catalogue.md about photos that are read and refused, against the code."""

from __future__ import annotations

import os
import re
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from catalog.building.cache import FeatureCache
from catalog.building.features import LARGEST_FILE, FeaturizedPhoto, SkippedPhoto, featurize
from catalog.core.photo_header import MOST_JPEG_PIXELS, MOST_PIXELS
from catalog.core.photos import SUFFIXES, is_picture_file
from catalog.networks.featurizer import Featurizer
from edge.web import uploads
from tests.support.drawing import (
    heic_that_claims,
    jpeg_in_several_scans,
    jpeg_of_many_scans,
    jpeg_that_claims,
    large_jpeg,
    pillow,
    png,
    png_that_claims,
    quarters,
)

DOCUMENT = Path(__file__).parents[3] / "docs" / "catalogue.md"
SECTION = DOCUMENT.read_text(encoding="utf-8").partition("## Photos that are read, and refused")[2]
READ, REFUSED = (
    [[cell.strip() for cell in row.strip("|").split("|")] for row in table.splitlines()[2:]]
    for table in re.findall(r"(?:^\|.*\n)+", SECTION.partition("\n## ")[0], re.MULTILINE)
)
NOISE = np.random.default_rng(3).integers(0, 256, (256, 256, 3), dtype=np.uint8)
BAD = {
    "an empty file": b"",
    "no picture, or of another format": b"8BPS\0\1",
    "a JPEG that was cut short": pillow(NOISE, "JPEG")[:20_000],
    "a progressive JPEG that was cut short": pillow(NOISE, "JPEG", progressive=True)[:20_000],
    "a JPEG that is made to take minutes": jpeg_of_many_scans(200),
    "another format that is damaged": pillow(NOISE, "PNG")[:20_000],
    "a HEIC photo that is damaged": pillow(NOISE, "HEIF")[:20_000],
    "a HEIC file with sequences": pillow(NOISE, "HEIF").replace(b"hvc1", b"mski"),
    "a HEIC photo on a system": pillow(NOISE, "HEIF"),
    "a JPEG that is too large": jpeg_that_claims(40_000, 20_000),
    "a progressive JPEG that is too large": jpeg_that_claims(40_000, 20_000, progressive=True),
    "a JPEG in several scans that is too large": jpeg_in_several_scans(
        quarters(), claimed=(20_000, 10_000)
    ),
    "another format that is too large": png_that_claims(40_000, 20_000),
    "a picture of a few pixels": png(np.zeros((4, 4, 3), np.uint8)),
    "a picture that is too long and thin": png(np.zeros((12, 1500, 3), np.uint8)),
    "a pipe": b"",
    "a huge file": b"\xff\xd8\xff",
}
NETWORK_ALONE = "a photo of one colour"  # the embedded network never answers so


def reason(
    folder: Path, content: bytes, size: int | None = None, *, named_pipe: bool = False
) -> str:
    """Why a build leaves a photo out; empty where it does not. Zeros fill it up to `size`."""
    file = folder / "IMG_0001"
    if named_pipe:
        os.mkfifo(file)
    else:
        file.write_bytes(content)
    if size is not None:
        os.truncate(file, size)
    with closing(FeatureCache(folder / "cache")) as cache:
        (result,) = featurize([str(file)], Featurizer.open(), cache)
    assert isinstance(result, SkippedPhoto | FeaturizedPhoto)
    return result.reason if isinstance(result, SkippedPhoto) else ""


@pytest.mark.parametrize("photo", BAD)
def test_a_refusal_has_the_words_of_the_table(
    tmp_path: Path, photo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (words,) = (words for named, words in REFUSED if named.startswith(photo))
    if "system" in photo:
        monkeypatch.setitem(sys.modules, "pi_heif", None)
    size = LARGEST_FILE + 1 if "huge" in photo else None
    said = reason(tmp_path, BAD[photo], size, named_pipe="pipe" in photo)
    assert f"`{re.sub('[0-9]+', 'N', said)}`" == words


def test_each_row_of_the_table_has_a_photo() -> None:
    rows = [row[0] for row in REFUSED if not row[0].startswith(NETWORK_ALONE)]
    assert len(rows) == len(BAD)
    assert all(any(row.startswith(photo) for photo in BAD) for row in rows)


def test_the_table_has_every_suffix() -> None:
    assert set(re.findall(r"`(\.\w+)`", " ".join(row[1] for row in READ))) == SUFFIXES


def test_the_table_has_the_limits() -> None:
    for format, _, build, page in READ:
        limits = (MOST_PIXELS, uploads.MOST_PIXELS)
        if format == "JPEG":
            limits = (MOST_JPEG_PIXELS, MOST_JPEG_PIXELS)
        if "what has transparency" in format:
            limits = (MOST_PIXELS, uploads.MOST_HEAVY_PIXELS)
        assert (int(build), int(page)) == tuple(limit // 1_000_000 for limit in limits)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(pillow(quarters(), kind), id=kind)
        for kind in ("JPEG", "HEIF", "PNG", "WEBP", "AVIF", "TIFF", "BMP", "GIF", "JPEG2000", "PPM")
    ]
    + [pytest.param(large_jpeg(2048, 1024)[:-2], id="without its end marker")],
)
def test_a_build_reads_it_without_a_suffix(tmp_path: Path, content: bytes) -> None:
    assert reason(tmp_path, content) == ""
    assert is_picture_file(tmp_path / "IMG_0001")


def test_a_build_names_the_limit_of_heic(tmp_path: Path) -> None:
    expected = "20000 x 10000 pixels are too many for HEIC (at most 100 megapixels); shrink it"
    assert reason(tmp_path, heic_that_claims(20_000, 10_000)) == expected
