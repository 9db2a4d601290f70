"""The training itself, small; run where the extra `train` is: `python -m pytest training`.

Not part of the project's own tests: PyTorch alone is larger than everything else together.
"""

import json
import multiprocessing
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from catalog.featurizer import EMBEDDED, Featurizer
from training.drawn import PART_THINGS
from training.export import Fitting, write
from training.finetune import main as finetune
from training.loading import Batches
from training.loss import pairs
from training.muon import Muon, orthogonal
from training.network import Network, folded
from training.settings import read
from training.shipped import read_network
from training.teachers import Space

SETTINGS = read(Path(__file__).parent / "settings.toml")


def test_the_shipped_weights_are_read_back_as_they_are_run() -> None:
    network = read_network(EMBEDDED, SETTINGS.network).eval()
    featurizer = Featurizer.open(EMBEDDED)
    pixels = np.random.default_rng(0).normal(size=(2, 3, 160, 160)).astype(np.float32)
    with torch.no_grad():
        found = network(torch.from_numpy(pixels)).numpy()
    assert np.abs(found - featurizer.run(pixels)).max() < 1e-3


def test_a_network_is_written_as_a_featurizer_that_says_the_same(tmp_path: Path) -> None:
    torch.manual_seed(0)
    n = SETTINGS.network
    network = Network(n.stem, n.widths, n.blocks, n.last, n.dimensions)
    network(torch.randn(4, 3, 64, 64))  # so that the norms have something to fold
    network = folded(network)
    write(network, SETTINGS, tmp_path, Fitting(64, "squash", None))
    pixels = np.random.default_rng(0).normal(size=(2, 3, 64, 64)).astype(np.float32)
    with torch.no_grad():
        wanted = network(torch.from_numpy(pixels)).numpy()
    assert np.abs(wanted - Featurizer.open(tmp_path, "onnxruntime").run(pixels)).max() < 0.01
    again = read_network(tmp_path, n).eval()
    with torch.no_grad():
        assert np.abs(wanted - again(torch.from_numpy(pixels)).numpy()).max() < 0.01


def test_fine_tuning_on_a_shops_photos_draws_its_items_apart(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    for item in range(6):
        colours = rng.integers(0, 256, (4, 4, 3)).astype(np.uint8)
        (tmp_path / "photos" / f"item-{item}").mkdir(parents=True)
        for photo in range(4):
            picture = cv2.resize(colours, (200, 180), interpolation=cv2.INTER_CUBIC)
            noisy = (picture + rng.normal(0, 25, picture.shape)).clip(0, 255).astype(np.uint8)
            cv2.imwrite(str(tmp_path / "photos" / f"item-{item}" / f"{photo}.png"), noisy)
    out = tmp_path / "own"
    finetune([str(tmp_path / "photos"), "--out", str(out), "--minutes", "0.3"])
    assert json.loads((out / "descriptor.json").read_text())["name"] == "own"

    def apart(folder: Path) -> float:
        """How much more alike photos of one item are than photos of two."""
        files = sorted((tmp_path / "photos").glob("*/*.png"))
        pictures = [np.asarray(cv2.imread(str(f)), np.uint8) for f in files]
        vectors = Featurizer.open(folder).embed(pictures)
        items = np.array([f.parent.name for f in files])
        same = items[:, None] == items[None]
        similarity = vectors @ vectors.T
        return float(similarity[same].mean() - similarity[~same].mean())

    assert apart(out) > apart(EMBEDDED)


def test_fine_tuning_wants_two_items(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "photos" / "only").mkdir(parents=True)
    cv2.imwrite(str(tmp_path / "photos" / "only" / "1.png"), np.zeros((40, 40, 3), np.uint8))
    with pytest.raises(SystemExit) as stopped:
        finetune([str(tmp_path / "photos"), "--out", str(tmp_path / "own"), "--minutes", "0.01"])
    assert stopped.value.code == 1
    assert "at least two items" in capsys.readouterr().err


def batches(cache: Path) -> Batches:
    """Batches of a bank with one shard: row r has pictures all of value r, answers along axis r."""
    folder = cache / "bank" / "000000"
    folder.mkdir(parents=True)
    rows = np.arange(40)
    pictures = np.broadcast_to(rows[:, None, None, None], (40, 32, 32, 3)).astype(np.uint8)
    np.save(folder / "pictures.npy", pictures)
    np.save(folder / "answers.npy", np.eye(40, dtype=np.float16))
    np.save(folder / "source.npy", np.where(rows < 20, rows, -1))
    np.save(folder / "thing.npy", np.where(rows < 20, -1, rows // 2))
    drawn = np.full((PART_THINGS, 3, 32, 32, 3), 200, np.uint8)
    np.save(cache / "drawn-0.npy", drawn)
    settings = replace(SETTINGS.batch, patched=1.0)
    made = Batches(cache, settings, multiprocessing.Value("i", 24), 0)
    made.refresh()
    return made


def test_a_patch_brings_its_share_of_the_answer_along(tmp_path: Path) -> None:
    """The mean of a picture's pixels is the mean of the row numbers that its answer names."""
    made = batches(tmp_path)
    found = made.batch(np.random.default_rng(2), [np.load(tmp_path / "drawn-0.npy")])
    count = SETTINGS.batch.bank + 2 * SETTINGS.batch.pairs
    assert len(found.answers) == len(found.source) == count
    named = (found.answers @ torch.arange(40.0)).numpy()
    seen = found.pictures[:count].float().mean((1, 2, 3)).numpy()
    assert np.median(np.abs(seen - named)) < 0.5  # some have a grey patch that hides something
    patched = found.source[: SETTINGS.batch.bank] < 0
    assert patched.all()
    assert (found.answers[: SETTINGS.batch.bank] > 0).sum(1).max() == 2


def test_views_of_one_thing_stand_together(tmp_path: Path) -> None:
    made = batches(tmp_path)
    found = made.batch(np.random.default_rng(3), [np.load(tmp_path / "drawn-0.npy")])
    thing = found.thing.reshape(-1, 2)
    assert (thing[:, 0] == thing[:, 1]).all()
    assert len(found.pictures) == len(found.answers) + len(found.thing) - 2 * SETTINGS.batch.pairs


def test_vectors_are_turned_onto_axes_linearly() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(500, 20)).astype(np.float32) * np.arange(1, 21, dtype=np.float32)
    space = Space.fitted(vectors, 8, 0.5)
    assert space(vectors).shape == (500, 8)
    assert np.abs(space(vectors).mean(0) - space(vectors.mean(0))).max() < 1e-4
    spread = space(vectors).std(0)
    assert spread[0] > spread[-1] > spread[0] / (20 / 13)  # half of the difference is taken out


def test_orthogonal_steps_make_all_directions_alike() -> None:
    torch.manual_seed(0)
    values = torch.linalg.svdvals(
        orthogonal(torch.randn(24, 60) * torch.linspace(0.1, 3, 24)[:, None])
    )
    assert 0.4 < float(values.min()) < float(values.max()) < 1.4


def test_muon_goes_downhill() -> None:
    torch.manual_seed(0)
    weight = torch.nn.Parameter(torch.randn(8, 4, 3, 3))
    wanted = torch.randn(8, 4, 3, 3)
    optimiser = Muon([weight], rate=0.1, decay=0.0)
    first = float((weight - wanted).square().mean())
    for _ in range(60):
        optimiser.zero_grad()
        (weight - wanted).square().mean().backward()
        optimiser.step()
    assert float((weight - wanted).square().mean()) < first / 4


def test_pairs_prefer_what_belongs_together() -> None:
    labels = torch.tensor([0, 0, 1, 1])
    apart = torch.eye(2).repeat_interleave(2, 0)
    assert float(pairs(apart, labels, 0.1)) < 0.01
    assert float(pairs(apart[[0, 2, 1, 3]], labels, 0.1)) > 1
