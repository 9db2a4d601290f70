"""The training itself, small; run where the extra `train` is: `python -m pytest training`.

Not part of the project's own tests: PyTorch alone is larger than everything else together.
"""

import json
import multiprocessing
import shlex
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
import torch
from click.testing import CliRunner

from catalog.bundles.bundle import Bundle
from catalog.cli.cli import catalog
from catalog.core.errors import ContentError, FeaturizerError
from catalog.networks.engines.checkpoint import PARAMETERS_FILE, parameters_of
from catalog.networks.engines.params import read_arrays, unpacked, write_arrays
from catalog.networks.featurizer import Featurizer
from catalog.networks.network import EMBEDDED, Descriptor
from training.bank import Maker
from training.cutouts import read_cutout
from training.drawn import PART_THINGS
from training.export import write
from training.finetune import finetune
from training.glyphs import write_glyphs
from training.loading import Batch, Batches
from training.loss import pairs
from training.muon import Muon, orthogonal
from training.network import Network, folded
from training.photos import Photo
from training.run import Run
from training.settings import SETTINGS as SETTINGS_FILE
from training.settings import read
from training.shipped import read_network
from training.shop import HELD_BACK, LEARNT
from training.teachers import Space

SETTINGS = read(SETTINGS_FILE)


def fresh() -> Network:
    """A network with random weights, always the same."""
    torch.manual_seed(0)
    n = SETTINGS.network
    network = Network(n.stem, n.widths, n.blocks, n.last, n.dimensions)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.3, 0.8)  # some are nothing at the start
    network(torch.randn(4, 3, 64, 64))  # so that the norms have something to fold
    return network


def described(size: int) -> Descriptor:
    return Descriptor("own", "network.onnx", "embedding", size, resize="squash", dimensions=256)


def test_the_shipped_weights_are_read_back_as_they_are_run() -> None:
    network = read_network(EMBEDDED, SETTINGS.network).eval()
    (embedded,) = Featurizer.open(EMBEDDED).networks
    pixels = np.random.default_rng(0).normal(size=(2, 3, 160, 160)).astype(np.float32)
    with torch.no_grad():
        found = network(torch.from_numpy(pixels)).numpy()
    assert np.abs(found - embedded.run(pixels)).max() < 1e-3


def test_a_network_is_written_as_a_featurizer_that_says_the_same(tmp_path: Path) -> None:
    network = folded(fresh())
    write(network, described(64), tmp_path)
    pixels = np.random.default_rng(0).normal(size=(2, 3, 64, 64)).astype(np.float32)
    with torch.no_grad():
        wanted = network(torch.from_numpy(pixels)).numpy()
    (written,) = Featurizer.open(tmp_path, "onnxruntime").networks
    assert np.abs(wanted - written.run(pixels)).max() < 0.01
    again = read_network(tmp_path, SETTINGS.network).eval()
    with torch.no_grad():
        assert np.abs(wanted - again(torch.from_numpy(pixels)).numpy()).max() < 0.01


def draw_shop(folder: Path) -> None:
    """Six items of blurred colours, ten noisy photos each."""
    rng = np.random.default_rng(3)
    for item in range(6):
        colours = rng.integers(0, 256, (4, 4, 3)).astype(np.uint8)
        (folder / f"item-{item}").mkdir(parents=True)
        for photo in range(10):
            picture = cv2.resize(colours, (200, 180), interpolation=cv2.INTER_CUBIC)
            noisy = (picture + rng.normal(0, 25, picture.shape)).clip(0, 255).astype(np.uint8)
            cv2.imwrite(str(folder / f"item-{item}" / f"{photo}.png"), noisy)


def test_fine_tuning_draws_items_apart_on_photos_that_it_held_back(tmp_path: Path) -> None:
    draw_shop(tmp_path / "photos")
    (tmp_path / "photos" / "item-0" / "broken.jpg").write_bytes(b"no picture")
    out, bundle = tmp_path / "own", tmp_path / "shop.bundle"
    command = [str(tmp_path / "photos"), "--out", str(out), "--minutes", "0.3", "--json"]
    done = CliRunner().invoke(finetune, command, catch_exceptions=False)
    said = json.loads(done.stdout)
    assert (said["photos"], said["held_back"]) == (48, 12)
    assert said["steps"] > 0
    assert [one["name"] for one in said["skipped"]] == [f"{tmp_path}/photos/item-0/broken.jpg"]

    def apart(folder: Path) -> float:
        """How much more alike held-back photos are to those of their item than to others'."""
        featurizer = Featurizer.open(folder)
        vectors, items = {}, {}
        for part in (LEARNT, HELD_BACK):
            files = sorted((tmp_path / "own-photos" / part).glob("*/*.png"))
            pictures = [np.asarray(cv2.imread(str(f)), np.uint8) for f in files]
            vectors[part] = featurizer.embed(pictures)
            items[part] = np.array([f.parent.name for f in files])
        same = items[HELD_BACK][:, None] == items[LEARNT][None]
        similarity = vectors[HELD_BACK] @ vectors[LEARNT].T
        return float(similarity[same].mean() - similarity[~same].mean())

    assert apart(out) > apart(EMBEDDED)
    product = CliRunner(env={"VISUAL_SEARCH_CATALOG__CACHE_DIR": str(tmp_path / "cache")})
    compare = product.invoke(catalog, [*shlex.split(said["next"])[2:], "--json"])
    assert [one["asked"] for one in json.loads(compare.stdout)] == [12, 12]
    words = ["build", str(tmp_path / "photos"), "--out", str(bundle), "--model", str(out)]
    assert product.invoke(catalog, words).exit_code == 0
    assert Bundle.open(bundle).featurizer.name == "own"


def test_fine_tuning_says_of_a_foreign_network_that_it_is_one(tmp_path: Path) -> None:
    draw_shop(tmp_path / "photos")
    shutil.copytree(EMBEDDED, tmp_path / "other")
    names, arrays = unpacked(parameters_of(EMBEDDED / "network.onnx"), EMBEDDED)
    parameters = dict(zip(names, arrays, strict=True))
    parameters.pop("arg:embedding_bias")
    write_arrays(tmp_path / "other" / PARAMETERS_FILE, parameters)
    command = [str(tmp_path / "photos"), "--out", str(tmp_path / "own")]
    refused = CliRunner().invoke(finetune, [*command, "--start", str(tmp_path / "other")])
    assert isinstance(refused.exception, FeaturizerError)
    assert "another network" in str(refused.exception)


def test_both_files_of_a_network_hold_the_same_numbers(tmp_path: Path) -> None:
    network = folded(fresh())
    with torch.no_grad():
        network.embedding.bias.add_(0.1234567)  # nothing that float16 holds as it is
    write(network, described(64), tmp_path)
    stored = read_arrays(tmp_path / PARAMETERS_FILE)[1]
    initialisers = onnx.load(tmp_path / "network.onnx").graph.initializer
    halves = [onnx.numpy_helper.to_array(one) for one in initialisers if one.name.endswith(".half")]
    assert len(halves) == len(stored)
    assert {one.tobytes() for one in halves} == {one.tobytes() for one in stored}


def test_a_run_that_was_stopped_goes_on_as_it_was(tmp_path: Path) -> None:
    def begun() -> Run:
        torch.manual_seed(0)
        return Run(SETTINGS, [3, 2, 1, 1], 20)

    bank, pairs_ = 6, 2
    batch = Batch(
        torch.randint(0, 256, (bank + 2 * pairs_, 32, 32, 3), dtype=torch.uint8),
        torch.randn(bank + 2 * pairs_, SETTINGS.network.dimensions),
        torch.full((bank + 2 * pairs_,), -1),
        torch.tensor([4, 4, 7, 7]),
    )
    label = torch.full((bank + 2 * pairs_, 2), -1)
    label[:4] = torch.tensor([[0, 1], [0, 2], [1, 0], [1, 1]])
    run = begun()
    for _ in range(3):
        run.step(batch, label, 0.2)
    run.elapsed = 12.5
    run.save(tmp_path / "run.pt")
    again = begun()
    again.load(tmp_path / "run.pt")
    assert (again.steps, again.elapsed) == (3, 12.5)
    for one, other in (
        (run.network.state_dict(), again.network.state_dict()),
        (run.average, again.average),
        (run.goals.state_dict(), again.goals.state_dict()),
    ):
        torch.testing.assert_close(one, other, rtol=0, atol=0)
    for mine, stored in zip(run.optimisers, again.optimisers, strict=True):
        assert mine.state_dict()["param_groups"] == stored.state_dict()["param_groups"]
        torch.testing.assert_close(
            mine.state_dict()["state"], stored.state_dict()["state"], rtol=0, atol=0
        )


def test_a_run_that_goes_on_obeys_the_settings_that_it_has_now(tmp_path: Path) -> None:
    Run(SETTINGS, [1, 1, 1, 1], 4).save(tmp_path / "run.pt")
    changed = replace(SETTINGS, optimiser=replace(SETTINGS.optimiser, weight_decay=0.5))
    run = Run(changed, [1, 1, 1, 1], 4)
    run.load(tmp_path / "run.pt")
    assert [group["decay"] for group in run.optimisers[0].param_groups] == [0.5]


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


def test_a_varied_photo_has_other_colours_and_no_label(tmp_path: Path) -> None:
    red = np.zeros((300, 300, 3), np.uint8)
    red[..., 2] = np.linspace(120, 250, 300, dtype=np.uint8)  # BGR, as OpenCV writes
    assert cv2.imwrite(str(tmp_path / "red.png"), red)
    np.save(tmp_path / "drawn.npy", np.full((1, 1, 32, 32, 3), 9, np.uint8))
    settings = replace(SETTINGS.bank, set_shares=[1.0], photos=2, mixed=3, varied=20, pairs=0)
    maker = Maker([Photo(tmp_path / "red.png", 0, "red")], [], [tmp_path / "drawn.npy"], settings)
    pictures, source, thing = maker.shard(5)
    assert source == [0] * 2 + [-1] * (3 + 20 + settings.drawn)
    assert len(pictures) == len(source) == len(thing)
    assert {picture.shape for picture in pictures} == {(224, 224, 3)}
    assert all(map(np.array_equal, pictures, maker.shard(5)[0]))  # the number is the seed
    assert all(picture[..., 0].mean() > 100 > picture[..., 1:].max() for picture in pictures[:2])
    coloured = [picture[..., 1:].mean((0, 1)).max() > 80 for picture in pictures[5:25]]
    assert 5 <= sum(coloured) < 20  # some keep their hue


def test_vectors_are_turned_onto_axes_linearly() -> None:
    rng = np.random.default_rng(0)
    drawn = rng.normal(size=(500, 20)) * np.arange(1, 21)
    vectors = np.asarray(drawn, np.float32)
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


def test_glyphs_are_cut_out_things(tmp_path: Path) -> None:
    assert write_glyphs(tmp_path / "glyphs") > 1000
    thing = read_cutout(tmp_path / "glyphs" / "noto-1f34e.webp")
    assert len(np.unique(thing.reshape(-1, 4), axis=0)) > 100, "coloured"
    (tmp_path / "other").write_bytes(b"no font")
    for font, said in (("absent", "apt-get"), ("other", "not a font")):
        with pytest.raises(ContentError, match=said):
            write_glyphs(tmp_path / "out", tmp_path / font)
