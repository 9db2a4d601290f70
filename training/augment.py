"""Changes of the training pictures: shape one by one, colour for a whole batch at once."""

import math

import cv2
import numpy as np
import torch
from torch import Tensor

from training.data import Image


def warped(picture: Image, size: int, rng: np.random.Generator, photo: bool) -> Image:
    """A slightly turned, shifted, scaled and skewed copy, (size, size, 3) uint8.

    Photos are changed more than drawn products, and mirrored half of the time.
    """
    side = picture.shape[0]
    turn = math.radians(rng.uniform(-15, 15) if photo else rng.uniform(-6, 6))
    seen = rng.uniform(0.65, 1.0) if photo else rng.uniform(0.72, 1.04)
    stretch = math.exp(rng.uniform(-0.12, 0.12) if photo else rng.uniform(-0.06, 0.06))
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
    matrix = cv2.getPerspectiveTransform(source, goal)
    border = cv2.BORDER_REFLECT_101 if photo else cv2.BORDER_REPLICATE
    out = cv2.warpPerspective(
        picture, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=border
    )
    fate = rng.random()
    if fate < 0.15:
        out = cv2.GaussianBlur(out, (0, 0), rng.uniform(0.4, 1.3))
    elif fate < 0.25:
        small = cv2.resize(
            out,
            None,
            fx=(shrink := rng.uniform(0.45, 0.8)),
            fy=shrink,
            interpolation=cv2.INTER_AREA,
        )
        out = cv2.resize(small, (size, size), interpolation=cv2.INTER_LINEAR)
    return np.asarray(out, np.uint8)


def recoloured(batch: Tensor, mean: Tensor, std: Tensor, noise: Tensor) -> Tensor:
    """Change light, contrast, saturation and colour temperature, then normalise.

    batch (n, s, s, 3) uint8; mean, std (3,); noise (k,) standard normal with k >= s * s * 3.
    Returns (n, 3, s, s) float32 in channels-last memory.
    """
    n, side = len(batch), batch.shape[1]
    gain = 1 + (torch.rand(n, 1, 1) - 0.5) * 0.7
    contrast = 1 + (torch.rand(n, 1, 1) - 0.5) * 0.5
    saturation = 1 + (torch.rand(n, 1, 1) - 0.5) * 0.7
    temperature = 1 + (torch.rand(n, 1, 3) - 0.5) * torch.tensor([0.24, 0.08, 0.24])
    grey = torch.tensor([0.3, 0.59, 0.11])
    mixing = saturation * torch.eye(3) + (1 - saturation) * grey[:, None].expand(3, 3)
    mixing = mixing * (gain * contrast * temperature)
    offset = 128 * gain * (1 - contrast) * temperature - mean
    pixels = batch.reshape(n, side * side, 3).float()
    out = torch.baddbmm(offset / std, pixels, mixing / std)
    strength = torch.rand(n) * 0.12
    for i in range(0, n, 2):
        start = int(torch.randint(0, len(noise) - side * side * 3 + 1, (1,)))
        out[i] += noise[start : start + side * side * 3].view(side * side, 3) * strength[i]
    low, high = (0 - mean) / std, (255 - mean) / std
    out = torch.minimum(torch.maximum(out, low), high)
    return out.view(n, side, side, 3).permute(0, 3, 1, 2)
