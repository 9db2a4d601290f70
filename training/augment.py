"""Augment the training pictures: the shape of each, the colours of a whole batch at once."""

import math

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from training.data import Image


def window(
    side: int, size: int, rng: np.random.Generator, *, photo: bool
) -> npt.NDArray[np.float64]:
    """Choose a random view of a square picture.

    It is turned, shifted, scaled and skewed a little. Photos are changed more than drawn
    products, some of them much more, and half of them are mirrored.

    Args:
        side: The picture's side in pixels.
        size: The side of the result.
        rng: Chooses the view.
        photo: Whether it is a photo; False for a drawn product.

    Returns:
        The perspective transform, a (3, 3) matrix.
    """
    if photo:
        turn = math.radians(rng.normal(0, 25 if rng.random() < 0.1 else 6))
        seen, stretch = rng.uniform(0.82, 1.02), math.exp(rng.uniform(-0.12, 0.12))
    else:
        turn = math.radians(rng.uniform(-6, 6))
        seen, stretch = rng.uniform(0.72, 1.04), math.exp(rng.uniform(-0.06, 0.06))
    slack = max(0.02, 1 - seen) * side / 2
    centre = side / 2 + rng.uniform(-slack, slack, 2)
    half = side * seen / 2
    corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)], np.float32) * [
        half * stretch,
        half / stretch,
    ]
    corners += rng.normal(0, 0.02 * side, (4, 2))
    rotation = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    source = (corners @ rotation.T + centre).astype(np.float32)
    goal = np.array([(0, 0), (size, 0), (size, size), (0, size)], np.float32)
    if photo and rng.random() < 0.5:
        goal[:, 0] = size - goal[:, 0]
    return np.asarray(cv2.getPerspectiveTransform(source, goal), np.float64)


def augmented(
    picture: Image,
    size: int,
    rng: np.random.Generator,
    *,
    photo: bool,
) -> Image:
    """View a square picture through a random window: (size, size, 3) uint8.

    Some pictures are blurred, made coarse, or partly hidden as well.
    """
    matrix = window(picture.shape[0], size, rng, photo=photo)
    border = cv2.BORDER_REFLECT_101 if photo else cv2.BORDER_REPLICATE
    out = cv2.warpPerspective(
        picture, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=border
    )
    chance = rng.random()
    if chance < 0.06:
        out = cv2.GaussianBlur(out, (0, 0), rng.uniform(0.4, 1.8))
    elif chance < 0.10:
        length = int(rng.integers(3, 9))
        line = np.zeros((length, length), np.float32)
        ends = rng.integers(0, length, 2)
        cv2.line(line, (0, int(ends[0])), (length - 1, int(ends[1])), (1.0,))
        if rng.random() < 0.5:
            line = np.ascontiguousarray(line.T)
        out = cv2.filter2D(out, -1, line / line.sum(), borderType=cv2.BORDER_REPLICATE)
    elif chance < 0.16:
        shrink = rng.uniform(0.35, 0.8)
        small = cv2.resize(out, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
        out = cv2.resize(small, (size, size), interpolation=cv2.INTER_LINEAR)
    elif chance < 0.20:
        w, h = rng.integers(size // 6, size // 2, 2)
        x, y = rng.integers(0, size - w), rng.integers(0, size - h)
        out[y : y + h, x : x + w] = rng.integers(0, 256, 3)
    return np.asarray(out, np.uint8)


def recoloured(batch: Tensor, mean: Tensor, std: Tensor, noise: Tensor) -> Tensor:
    """Change light, contrast, saturation and colour temperature, then normalise.

    batch (n, s, s, 3) uint8; mean, std (3,); noise (k,) standard normal with k >= s * s * 3.
    Returns (n, 3, s, s) float32 in channels-last memory.
    """
    n, side = len(batch), batch.shape[1]
    gain = 1 + (torch.rand(n, 1, 1) - 0.5) * 0.5
    contrast = 1 + (torch.rand(n, 1, 1) - 0.5) * 0.4
    saturation = 1 + (torch.rand(n, 1, 1) - 0.5) * 0.4
    temperature = 1 + (torch.rand(n, 1, 3) - 0.5) * torch.tensor([0.16, 0.06, 0.16])
    grey = torch.tensor([0.3, 0.59, 0.11])
    mixing = saturation * torch.eye(3) + (1 - saturation) * grey[:, None].expand(3, 3)
    mixing = mixing * (gain * contrast * temperature)
    offset = 128 * gain * (1 - contrast) * temperature - mean
    pixels = batch.reshape(n, side * side, 3).float()
    out = torch.baddbmm(offset / std, pixels, mixing / std)
    strength = torch.rand(n) * 0.1
    for i in range(0, n, 2):
        start = int(torch.randint(0, len(noise) - side * side * 3 + 1, (1,)))
        out[i] += noise[start : start + side * side * 3].view(side * side, 3) * strength[i]
    low, high = (0 - mean) / std, (255 - mean) / std
    out = torch.minimum(torch.maximum(out, low), high)
    return out.view(n, side, side, 3).permute(0, 3, 1, 2)
