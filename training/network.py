"""The network: a small residual net of ordinary 3 x 3 convolutions, average and maximum pooled."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Unit(nn.Sequential):
    """Convolution and batch norm, (n, inside, h, w) to (n, outside, h / stride, w / stride)."""

    def __init__(self, inside: int, outside: int, side: int, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(inside, outside, side, stride, side // 2, bias=False),
            nn.BatchNorm2d(outside),
        )


class Block(nn.Module):
    """Two 3 x 3 convolutions beside a shortcut."""

    def __init__(self, inside: int, outside: int, stride: int) -> None:
        super().__init__()
        self.first = Unit(inside, outside, 3, stride)
        self.second = Unit(outside, outside, 3)
        same = stride == 1 and inside == outside
        self.shortcut = nn.Identity() if same else Unit(inside, outside, 1, stride)
        last = self.second[1]
        if isinstance(last, nn.BatchNorm2d):  # each block starts as its shortcut alone
            nn.init.zeros_(last.weight)

    def forward(self, x: Tensor) -> Tensor:
        """(n, inside, h, w) to (n, outside, h / stride, w / stride)."""
        return torch.relu(self.second(torch.relu(self.first(x))) + self.shortcut(x))


class Network(nn.Module):
    """Pictures (n, 3, s, s) float32 to embeddings (n, dimensions) float32, for any side s."""

    def __init__(
        self,
        stem: int,
        widths: Sequence[int],
        blocks: Sequence[int],
        last: int,
        dimensions: int,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = [
            Unit(3, stem, 3, 2),
            nn.ReLU(inplace=True),
            Unit(stem, widths[0], 3, 2),
            nn.ReLU(inplace=True),
        ]
        inside = widths[0]
        for stage, (width, count) in enumerate(zip(widths, blocks, strict=True)):
            for number in range(count):
                layers.append(Block(inside, width, 2 if number == 0 and stage > 0 else 1))
                inside = width
        layers += [Unit(inside, last, 1), nn.ReLU(inplace=True)]
        self.features = nn.Sequential(*layers)
        self.embedding = nn.Linear(2 * last, dimensions)

    def forward(self, x: Tensor) -> Tensor:
        """(n, 3, s, s) to (n, dimensions), not normalised."""
        features = self.features(x)
        pooled = torch.cat([features.mean((2, 3)), features.amax((2, 3))], dim=1)
        embeddings: Tensor = self.embedding(pooled)
        return embeddings


def folded(network: Network) -> Network:
    """The same network with every batch norm folded into its convolution, for inference."""
    fold(network.eval())
    return network


def fold(network: nn.Module) -> None:
    """Fold every batch norm of a network that does not train into its convolution."""
    for module in network.modules():
        if isinstance(module, Unit):
            convolution, norm = module
            if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                module[0] = nn.utils.fusion.fuse_conv_bn_eval(convolution, norm)
                module[1] = nn.Identity()
