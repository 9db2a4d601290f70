"""The export for the sample's cloud side, read and used as the sample's own steps do."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from catalog.bundles.bundle import Bundle
from catalog.bundles.sagemaker import (
    METADATA,
    PHOTOS,
    VECTORS,
    SageMakerExport,
    export_for_sagemaker,
)
from catalog.core.errors import BundleError, ContentError, SurroundingsError
from catalog.core.photos import decode
from catalog.core.vectors import normalised
from sync.outbox.events import features
from tests.conftest import Surroundings, sign_again
from tests.support.sagemaker_records import read_records

pytestmark = pytest.mark.slow  # a bundle of its own

HARD_TITLE = "O'Neill's \"gasket\" 5\u00a0mm, Größe\tL \\ 螺丝刀"
PLAIN_TITLE = "O\u2019Neill\u2019s \u201dgasket\u201d 5 mm, Größe L \\ 螺丝刀"


@pytest.fixture
def hard_bundle(own_bundle: Path) -> Path:
    """A bundle whose titles break the sample where they are not replaced."""
    with closing(sqlite3.connect(own_bundle / "items.db")) as database, database:
        database.execute("update items set title = ?", [HARD_TITLE])
    sign_again(own_bundle)
    return own_bundle


def table_of(folder: Path) -> dict[str, dict[str, Any]]:
    """The table after the sample's script has put each record into it."""
    table: dict[str, dict[str, Any]] = {}
    for record in json.loads((folder / METADATA).read_text("utf-8")):
        assert all(isinstance(value, str) and value for value in record.values())
        table[record["id"]] = record
    return table


def test_each_photo_is_a_vector_with_a_label_of_its_own(small_bundle: Path, tmp_path: Path) -> None:
    """The labels count up from 0, as the sample's notebook makes them."""
    with Bundle.open(small_bundle) as bundle:
        counted: list[int] = []
        written = export_for_sagemaker(bundle, tmp_path / "out", progress=counted.append)
        found = read_records((tmp_path / "out" / VECTORS).read_bytes())
        photos = bundle.manifest.photos
        assert written == SageMakerExport(photos, bundle.featurizer.network_dimensions)
        assert counted == list(range(1, photos + 1))
        assert [label for _, label in found] == list(range(photos))
        exported = normalised(np.stack([vector for vector, _ in found]))
        assert (exported * bundle.vectors()).sum(axis=1).mean() > 0.95  # thumbnails, not the photos
        table = table_of(tmp_path / "out")
        for number, (vector, _) in enumerate(found):
            jpeg = (tmp_path / "out" / PHOTOS / f"{number}.jpg").read_bytes()
            assert jpeg == bundle.thumbnail(number)
            known = bundle.featurizer.raw([decode(jpeg, "photo")])[0]
            assert np.allclose(vector, known, rtol=1e-4, atol=1e-5 * np.abs(known).max())
            sku = bundle.items.skus[number]
            item = bundle.item(sku)
            assert item is not None
            assert table[str(number)] == {
                "id": str(number), "title": item.title, "url": f"photos/{number}.jpg", "sku": sku,
            }  # fmt: skip


def test_the_samples_search_finds_what_a_device_sends(hard_bundle: Path, tmp_path: Path) -> None:
    """From the device's message to what its app reads, by the steps of its two Lambdas."""
    with Bundle.open(hard_bundle) as bundle:
        export_for_sagemaker(bundle, tmp_path / "out", "https://shop.example/p")
        records = read_records((tmp_path / "out" / VECTORS).read_bytes())
        sent = features(bundle.featurizer.raw([decode(bundle.thumbnail(3) or b"", "photo")])[0])
    assert isinstance(sent.body, bytes)
    query = np.array(json.loads(sent.body)["features"].split(","), np.float32)
    vectors = np.stack([vector for vector, _ in records])
    cosines = vectors @ query / np.linalg.norm(vectors, axis=1)
    labels = [records[row][1] for row in np.argsort(-cosines)[:4]]
    assert labels[0] == 3
    assert len(set(labels)) == 4  # DynamoDB refuses to look up one twice
    table = table_of(tmp_path / "out")
    matches = [{key: table[str(label)][key] for key in ("id", "title", "url")} for label in labels]
    stored = str({"matches": matches})  # as Redis gets it
    shown = json.loads(stored.replace("'", '"'))["matches"]  # as the app reads it
    assert shown == matches
    assert shown[0]["title"] == PLAIN_TITLE
    assert shown[0]["url"] == "https://shop.example/p/3.jpg"


def test_what_cannot_be_written_is_told(own_bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "note").touch()
    (tmp_path / "file").touch()
    with Bundle.open(own_bundle) as bundle:
        with pytest.raises(ContentError, match="something in it"):
            export_for_sagemaker(bundle, tmp_path / "full")
        assert [path.name for path in (tmp_path / "full").iterdir()] == ["note"]
        with pytest.raises(SurroundingsError, match="cannot be written"):
            export_for_sagemaker(bundle, tmp_path / "file")
        assert export_for_sagemaker(bundle, tmp_path / "new" / "out").photos > 0
        with pytest.raises(ContentError, match="something in it"):
            export_for_sagemaker(bundle, tmp_path / "new" / "out")


def test_a_photo_without_thumbnail_is_told(own_bundle: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(own_bundle / "pictures.db")) as database, database:
        database.execute("delete from thumbnails where number = 2")
    sign_again(own_bundle)
    with (
        Bundle.open(own_bundle) as bundle,
        pytest.raises(BundleError, match="photo 2 has no thumbnail"),
    ):
        export_for_sagemaker(bundle, tmp_path / "out")


def test_the_command(surroundings: Surroundings, small_bundle: Path, tmp_path: Path) -> None:
    words = ("catalog", "export", str(small_bundle), "--sagemaker", str(tmp_path / "out"), "--json")
    done = surroundings.run(*words)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert set(document) == {"out", "photos", "dimensions"}
    assert len(table_of(tmp_path / "out")) == document["photos"]
    assert surroundings.run(*words).returncode != 0
