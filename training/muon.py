"""Muon: momentum whose matrices are made orthogonal before each step.

After Keller Jordan's description (https://kellerjordan.github.io/posts/muon/), with the step scaled
to that of Adam as in "Muon is Scalable for LLM Training" (arXiv 2502.16982).
"""

from collections.abc import Iterable

import torch
from torch import Tensor

COEFFICIENTS = (3.4445, -4.7750, 2.0315)


def orthogonal(matrix: Tensor, steps: int = 5) -> Tensor:
    """Roughly the nearest orthogonal matrix (rows, columns), by Newton-Schulz steps."""
    a, b, c = COEFFICIENTS
    wide = matrix.shape[0] <= matrix.shape[1]
    x = matrix if wide else matrix.T
    x = (x / (x.norm() + 1e-7)).bfloat16()
    for _ in range(steps):
        product = x @ x.T
        x = a * x + (b * product + c * product @ product) @ x
    return (x if wide else x.T).float()


class Muon(torch.optim.Optimizer):
    """Muon for weights of two or more dimensions; all but the first are taken as one."""

    def __init__(
        self, weights: Iterable[Tensor], rate: float, decay: float, momentum: float = 0.95
    ) -> None:
        super().__init__(weights, {"lr": rate, "decay": decay, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        """One step of every weight that has a gradient."""
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state = self.state[weight]
                if not state:
                    state["momentum"] = torch.zeros_like(weight)
                moving: Tensor = state["momentum"]
                moving.lerp_(weight.grad, 1 - group["momentum"])
                ahead = weight.grad.lerp(moving, group["momentum"]).flatten(1)
                change = orthogonal(ahead) * (0.2 * max(ahead.shape) ** 0.5)
                weight.mul_(1 - group["lr"] * group["decay"])
                weight.sub_(change.view_as(weight), alpha=group["lr"])
