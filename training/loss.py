"""The losses that the network is trained with."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.settings import LossSettings


class Proxies(nn.Module):
    """Normalised softmax: one learnt direction a class, cosine logits."""

    def __init__(self, classes: int, dimensions: int, scale: float) -> None:
        super().__init__()
        self.directions = nn.Parameter(torch.randn(classes, dimensions) * 0.05)
        self.scale = scale

    def forward(self, unit: Tensor, labels: Tensor) -> Tensor:
        """Mean cross entropy of unit vectors (n, d) with class numbers (n,) int64."""
        cosine = unit @ functional.normalize(self.directions, dim=1).T
        return functional.cross_entropy(cosine * self.scale, labels, label_smoothing=0.05)


class Memory(nn.Module):
    """Normalised softmax over very many classes: a class's direction follows its embeddings.

    Learnt directions, as in `Proxies`, would see too few examples of each class.
    """

    directions: Tensor

    def __init__(self, classes: int, dimensions: int, scale: float, margin: float) -> None:
        super().__init__()
        start = functional.normalize(torch.randn(classes, dimensions), dim=1)
        self.register_buffer("directions", start)
        self.scale = scale
        self.margin = margin

    def forward(self, unit: Tensor, labels: Tensor) -> Tensor:
        """Mean cross entropy of unit vectors (n, d) with class numbers (n,) int64."""
        cosine = unit @ self.directions.T
        cosine = cosine - self.margin * functional.one_hot(labels, cosine.shape[1])
        return functional.cross_entropy(cosine * self.scale, labels)

    def remember(self, unit: Tensor, labels: Tensor) -> None:
        """Move the directions of the classes (n,) half of the way to their vectors (n, d)."""
        with torch.no_grad():
            classes, place = labels.unique(return_inverse=True)
            sums = torch.zeros(len(classes), unit.shape[1]).index_add_(0, place, unit)
            moved = self.directions[classes] + functional.normalize(sums, dim=1)
            self.directions[classes] = functional.normalize(moved, dim=1)


def pairs(unit: Tensor, labels: Tensor, temperature: float) -> Tensor:
    """Supervised contrastive loss of unit vectors (n, d).

    labels: (n,) int64; every label occurs at least twice.
    """
    similarity = unit @ unit.T / temperature
    own = torch.eye(len(unit), dtype=torch.bool)
    log_share = similarity - torch.logsumexp(similarity.masked_fill(own, -1e4), dim=1, keepdim=True)
    same = (labels[:, None] == labels[None, :]) & ~own
    return -((log_share * same).sum(1) / same.sum(1)).mean()


def relations(unit: Tensor, target: Tensor, temperature: float = 0.1) -> Tensor:
    """Penalise other neighbourhoods than the teachers': unit vectors (n, d), targets (n, t)."""
    own = torch.eye(len(unit), dtype=torch.bool)
    student = (unit @ unit.T / temperature).masked_fill(own, -1e4)
    teacher = (target @ target.T / temperature).masked_fill(own, -1e4)
    return functional.kl_div(student.log_softmax(1), teacher.softmax(1), reduction="batchmean")


class Goals(nn.Module):
    """All losses together, with the parameters that only the training needs."""

    def __init__(
        self,
        dimensions: int,
        classes: Sequence[int],
        things: int,
        settings: LossSettings,
    ) -> None:
        super().__init__()
        self.settings = settings
        self.labels = nn.ModuleList(Proxies(c, dimensions, settings.label_scale) for c in classes)
        self.things = Memory(things, dimensions, settings.thing_scale, settings.thing_margin)

    def forward(
        self,
        embeddings: Tensor,
        answers: Tensor,
        group: Tensor,
        label: Tensor,
        thing: Tensor,
    ) -> tuple[Tensor, dict[str, float]]:
        """The total and its named parts.

        embeddings (n, d) of all pictures; the teachers' answers (b, d) to the first b; group (b,)
        int64 with -1 for none, label (b,); thing (t,) of the last t.
        """
        weights, count = self.settings, len(answers)
        parts: dict[str, Tensor] = {}
        unit = functional.normalize(embeddings, dim=1)
        whole = functional.normalize(answers, dim=1)
        parts["distil"] = (1 - (unit[:count] * whole).sum(1)).mean() * weights.distil
        parts["relations"] = relations(unit[:count], whole) * weights.relations
        for number, proxies in enumerate(self.labels):
            mine = group == number
            if weights.labels[number] > 0 and bool(mine.any()):
                share = weights.labels[number] * mine.float().mean() / 0.25
                parts[f"labels{number}"] = proxies(unit[:count][mine], label[mine]) * share
        alike = unit[len(unit) - len(thing) :]
        parts["things"] = self.things(alike, thing) * weights.things
        parts["pairs"] = pairs(alike, thing, weights.pair_temperature) * weights.pairs
        return torch.stack(list(parts.values())).sum(), {
            name: float(value.detach()) for name, value in parts.items()
        }
