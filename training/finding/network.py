"""The network that finds things: the embedded network's lower layers and a light decoder."""

import torch
from torch import Tensor, nn

from training.network import Block, Network, Unit

LOWER = 10  # layers of the embedded network that are kept: all down to a sixteenth of the size
CHANNELS = 9  # see `Finder.forward`


class Finder(nn.Module):
    """Pictures (n, 3, 160, 160) float32 to what stands in each cell, (n, 9, 40, 40) float32.

    Args:
        lower: The embedded network's layers, the stem first.
    """

    def __init__(self, lower: nn.Sequential) -> None:
        super().__init__()
        layers = list(lower)
        self.quarter = nn.Sequential(*layers[:5])
        self.eighth = nn.Sequential(*layers[5:7])
        self.sixteenth = nn.Sequential(*layers[7:10])
        self.context = Block(128, 128, 2)
        self.from_context = Unit(128, 96, 1)
        self.from_sixteenth = Unit(128, 96, 1)
        self.at_sixteenth = Unit(96, 64, 3)
        self.from_eighth = Unit(64, 64, 1)
        self.at_eighth = Unit(64, 32, 3)
        self.from_quarter = Unit(32, 32, 1)
        self.at_quarter = Unit(32, 48, 3)
        self.answer = nn.Conv2d(48, CHANNELS, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(n, 3, s, s) to (n, 9, s / 4, s / 4).

        The channels: four logits of "this quarter of the cell is a thing" (left top, right top,
        left bottom, right bottom); a logit of "here is a thing's middle"; and before a softplus,
        the distances to the left, top, right and bottom of the thing's box, in eighths of s.
        """
        quarter = self.quarter(x)
        eighth = self.eighth(quarter)
        sixteenth = self.sixteenth(eighth)
        context = self.from_context(self.context(sixteenth))
        up = torch.relu(self.from_sixteenth(sixteenth) + enlarged(context))
        up = self.at_sixteenth(up)
        up = torch.relu(self.from_eighth(eighth) + enlarged(up))
        up = self.at_eighth(up)
        up = torch.relu(self.from_quarter(quarter) + enlarged(up))
        up = torch.relu(self.at_quarter(up))
        answer: Tensor = self.answer(up)
        return answer


def enlarged(x: Tensor) -> Tensor:
    """Twice as high and wide, each value four times."""
    return nn.functional.interpolate(x, scale_factor=2.0, mode="nearest")


def finder(embedded: Network) -> Finder:
    """A finder on the lower layers of the embedded network; the decoder's weights are random."""
    return Finder(embedded.features[:LOWER])
