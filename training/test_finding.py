"""The finder's training, small; run where the extra `train` is: `python -m pytest training`."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from catalog.networks.finder import ThingFinder
from catalog.networks.finder_answer import boxes_of
from training.finding.bank import fill, open_bank
from training.finding.compose import SIZE, Composer
from training.finding.export import write
from training.finding.run import BATCH, Run, drawn_batch
from training.finding.segment import cut_out
from training.finding.targets import UNIT, target
from training.finding.things import KINDS, Things, stored
from training.network import fold


@pytest.fixture(scope="module")
def things() -> Things:
    """A few blurred discs as things, and noise as backgrounds."""
    rng = np.random.default_rng(1)
    discs = []
    for number in range(6):
        disc = np.zeros((120, 90 + number, 4), np.uint8)
        disc[..., :3] = rng.integers(0, 256, 3)
        cv2.ellipse(disc, (45, 60), (40, 55), 0, 0, 360, (250, 250, 40, 255), -1)
        discs.append(disc)
    layers, sizes = stored(discs)
    grounds = rng.integers(0, 256, (4, 192, 192, 3)).astype(np.uint8)
    plain = np.stack([cv2.resize(disc, (192, 192)) for disc in discs])
    every = dict.fromkeys(KINDS, layers), dict.fromkeys(KINDS, sizes)
    return Things(*every, np.asarray(plain, np.uint8), grounds)


def test_the_right_answer_leads_to_the_right_boxes(things: Things) -> None:
    composer, checked = Composer(things, np.random.default_rng(2)), 0
    for _ in range(12):
        picture = composer.picture()
        right = target(picture.numbers)
        answer = np.zeros((9, 40, 40), np.float32)
        answer[4] = np.where(right.middle > 100, 4, -9)
        answer[5:] = np.log(np.expm1(np.maximum(right.sides.astype(np.float32), 1e-3)))
        boxes, _ = boxes_of(answer)
        for left, top, right_side, bottom in boxes * SIZE:
            inside = picture.numbers[int(top) : int(bottom) + 1, int(left) : int(right_side) + 1]
            number = np.bincount(inside[inside > 0]).argmax()
            rows, columns = np.nonzero(picture.numbers == number)
            assert abs(columns.min() - left) < UNIT / 4
            assert abs(rows.max() + 1 - bottom) < UNIT / 4
            checked += 1
    assert checked > 6


def test_it_learns_and_is_written_as_it_answers(things: Things, tmp_path: Path) -> None:
    torch.manual_seed(0)
    bank = open_bank(tmp_path, BATCH)
    fill(bank, Composer(things, np.random.default_rng(3)), range(BATCH))
    run, rng = Run(), np.random.default_rng(4)
    losses = [sum(run.step(drawn_batch(bank, rng), 0.1).values()) for _ in range(6)]
    assert losses[-1] < losses[0]
    run.save(tmp_path / "finding.pt")
    again = Run()
    again.load(tmp_path / "finding.pt")
    assert again.steps == run.steps
    network = again.averaged()
    fold(network.eval())
    write(network, tmp_path)
    picture = np.asarray(bank.arrays["pixels"][0], np.uint8)
    found = ThingFinder("onnxruntime", tmp_path).answer(np.ascontiguousarray(picture[..., ::-1]))
    with torch.no_grad():
        pixels = torch.from_numpy(picture.copy()).permute(2, 0, 1)[None].float()
        wanted = network((pixels - 128) / 64)[0].numpy()
    assert np.abs(found - wanted).max() < 0.02


def test_a_thing_is_cut_out_of_a_photo_with_a_plain_background_alone() -> None:
    photo = np.full((200, 260, 3), 235, np.uint8)
    cv2.ellipse(photo, (130, 100), (60, 40), 0, 0, 360, (40, 90, 160), -1)
    cut = cut_out(photo)
    assert cut is not None
    rows, columns = np.nonzero(cut[..., 3] > 127)
    assert abs(int(np.ptp(columns)) - 120) <= 6
    assert abs(int(np.ptp(rows)) - 80) <= 6
    noise = np.random.default_rng(5).integers(0, 256, (200, 260, 3)).astype(np.uint8)
    assert cut_out(noise) is None
