"""The empty counter: as it was learned, and as the light has changed it since."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge.vision.foreground import (
    FAINT,
    MOST,
    Mask,
    Small,
    Thing,
    difference,
    foreground,
    gain,
    in_light_of,
    is_blinding,
    most,
    outline,
    shifted_to,
)

SHADED = 0.15  # of the brightness that the light tells; beyond it lies a shadow
FOLLOW = 0.2  # of the difference a second: how fast it follows the light
MOST_ALIKE = 0.5  # of the frame must be as it was, for the light to be told from it
MOST_LEFT = 0.38  # of the frame, where two lights are told apart: a thing, and shadows' edges
EXPLAINED = 0.85  # of the differences may stay when a bumped camera explains them


class Counter:
    """What is before the camera where no thing lies.

    Args:
        seen: A look at it.
    """

    def __init__(self, seen: Small) -> None:
        self._ground = seen.astype(np.float32)
        self._blinding = is_blinding(seen)

    @property
    def picture(self) -> Small:
        """What it looks like."""
        return np.clip(self._ground, 0, 255).astype(np.uint8)

    def foreground(self, now: Small) -> Mask:
        """The pixels that are not its own."""
        return foreground(now, in_light_of(self.picture, now), self._blinding)

    def is_other(self, now: Small) -> bool:
        """Whether no common change of light, or two of them, makes it out of this."""
        ground = self.picture
        differs = difference(now, ground) > FAINT
        if differs.mean() <= MOST:
            return False
        beside = ground * gain(ground[differs][:, None], now[differs][:, None])  # the shadow
        return bool((differs & (most(np.abs(now - beside)) > FAINT)).mean() > MOST_LEFT)

    def bumped(self, now: Small, mask: Mask) -> Counter | None:
        """The same seen by a camera that was bumped, if that explains the mask's differences."""
        shifted = shifted_to(self.picture, now)
        if shifted is None or _apart(now, shifted) >= _apart(now, self.picture):
            return None
        other = Counter(shifted)
        return other if other.foreground(now).sum() < EXPLAINED * mask.sum() else None

    def learned_with(self, thing: Thing, now: Small) -> bool:
        """Whether it was learned with this thing on it, which is gone.

        A thing has an outline; here only the counter has it.
        """
        return outline(self.picture, thing) > 2 * outline(now, thing) + 4

    def put_right(self, where: NDArray[np.bool_], now: Small) -> None:
        """Take some pixels from a look."""
        self._ground[where] = now[where]
        self._blinding[where] = is_blinding(now)[where]

    def follow(self, now: Small, seconds: float, bare: bool) -> None:
        """Follow the light, slowly, and only where nothing lies; `bare`: nothing does."""
        alike = difference(now, self.picture) < FAINT  # else a thing, or a shadow that goes again
        if alike.mean() < MOST_ALIKE:
            return
        self._ground *= gain(self._ground, now)
        if bare:
            # What was too bright is seen now that there is less light; in a shadow it is not.
            full = is_blinding(now)
            lit = np.abs(now.sum(2) / (self._ground.sum(2) + 1) - 1) < SHADED
            seen = self._blinding & ~full & lit
            self._ground[seen] = now[seen]
            self._blinding = (self._blinding & ~seen) | full
        self._ground += FOLLOW * seconds * alike[..., None] * (now - self._ground)


def _apart(now: Small, ground: Small) -> int:
    """How many pixels differ in their light."""
    return int(np.count_nonzero(difference(now, ground) > FAINT))
