"""Bring a picture with a colour profile of its own (Display P3, Adobe RGB) to sRGB."""

from __future__ import annotations

import io
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import ImageCms

Picture = NDArray[np.uint8]  # (height, width, 3), BGR

LARGEST_PROFILE = 4 << 20  # bytes
KEPT = 4  # profiles in memory: strangers send them, too
LARGEST_KEPT = 1 << 20  # bytes
STRIP = 256  # rows converted at a time
UNSEEN = 3  # levels of 255; a profile that changes no colour by more is taken for sRGB
MODES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}


def to_srgb(picture: Picture, profile: bytes | None, *, grey: bool) -> Picture:
    """Convert a picture from the colours of an ICC profile to sRGB, in place where it can.

    Args:
        picture: The picture.
        profile: The profile; one that is damaged, or for another kind of picture, is ignored.
        grey: Whether the file holds a grey picture.
    """
    transform = _transform(profile) if profile else None
    if transform is None or transform.input_mode != ("L" if grey else "RGB"):
        return picture
    if not picture.flags.writeable:
        picture = picture.copy()
    for top in range(0, len(picture), STRIP):
        strip = picture[top : top + STRIP]
        if grey:
            pixels = PillowImage.fromarray(np.ascontiguousarray(strip[:, :, 0]))
        else:
            pixels = PillowImage.fromarray(cv2.cvtColor(strip, cv2.COLOR_BGR2RGB))
        converted = ImageCms.applyTransform(pixels, transform)
        picture[top : top + STRIP] = np.asarray(converted)[:, :, ::-1]
    return picture


def printed_to_srgb(picture: PillowImage.Image, profile: bytes | None) -> PillowImage.Image:
    """Convert a picture in CMYK to RGB by its ICC profile, or plainly where there is none."""
    transform = _transform(profile) if profile else None
    if transform is None or transform.input_mode != picture.mode:
        return picture.convert("RGB")
    return ImageCms.applyTransform(picture, transform) or picture


def _transform(profile: bytes) -> ImageCms.ImageCmsTransform | None:
    """Return what converts to sRGB; None where the profile is damaged or nearly sRGB."""
    if len(profile) > LARGEST_PROFILE:
        return None
    return _kept_transform(profile) if len(profile) <= LARGEST_KEPT else _new_transform(profile)


def _new_transform(profile: bytes) -> ImageCms.ImageCmsTransform | None:
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        mode = MODES[source.profile.xcolor_space.strip()]
        target = ImageCms.createProfile("sRGB")
        transform = ImageCms.buildTransform(
            source, target, mode, "RGB", flags=ImageCms.Flags.BLACKPOINTCOMPENSATION
        )
    except Exception:  # a crafted profile can make the parsers raise anything
        return None
    if mode == "RGB":
        levels = np.arange(0, 256, 15, dtype=np.uint8)
        colours = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(len(levels), -1, 3)
        converted = ImageCms.applyTransform(PillowImage.fromarray(colours), transform)
        if np.abs(np.asarray(converted).astype(int) - colours).max() <= UNSEEN:
            return None
    return transform


_kept_transform = lru_cache(maxsize=KEPT)(_new_transform)
