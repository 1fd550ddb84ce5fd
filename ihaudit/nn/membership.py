"""Does an encoding belong to a set, given four exemplars of it?  (Carlini et al. 2021, 4.3.4)

The second network sees an encoding with four of which it is thought that they share an image.  Embeddings are those of
the similarity network, frozen; this head compares the encoding with each exemplar, and the exemplars with each other,
which tells how far each can be trusted, and pools over the four.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ihaudit.nn.similarity import EXTRAS, Embedding, Facts, PairHead, extras, products

#: Exemplars of a set that the network sees at once; more brought the paper little.
EXEMPLARS = 4


@dataclass(frozen=True)
class MemberConfig:
    """Sizes; `products` is what the similarity network compares by."""

    products: int = 256
    hidden: int = 64
    pooled: int = 64

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {"kind": "membership", **asdict(self)}


class MemberHead(nn.Module):
    """Log odds of membership from embeddings."""

    def __init__(self, config: MemberConfig | None = None) -> None:
        super().__init__()
        self.config = c = config or MemberConfig()
        self.pair = PairHead(c.products, c.hidden)
        self.trust = nn.Linear(c.hidden + 1, c.hidden)
        self.each = nn.Linear(2 * c.hidden + 1, c.pooled)
        self.pool = nn.Linear(c.pooled, c.pooled)
        self.last = nn.Linear(c.pooled, 1)
        self.weight = nn.Linear(c.hidden, 1)
        for layer in (self.last, self.weight):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def relate(self, a: Embedding, b: Embedding, facts_a: Facts, facts_b: Facts) -> Tensor:
        """What pairs look like: (n, m, hidden + 1), the last being the pair's own log odds."""
        n, m = a[0].shape[1], b[0].shape[1]
        h = self.pair.hidden(products(a, b).view(-1, n * m), extras(facts_a, facts_b).view(EXTRAS, n * m))
        return torch.cat([h, self.pair.odds(h)[:, None]], 1).view(n, m, -1)

    def belongs(self, to_exemplars: Tensor, among: Tensor) -> Tensor:
        """Log odds (n,) at even prior odds, of encodings with a set.

        Args:
            to_exemplars: (n, 4, hidden + 1), `relate` of each encoding with the exemplars.
            among: (4, 4, hidden + 1) or (n, 4, 4, hidden + 1), `relate` of the exemplars with each other.
        """
        if among.dim() == 3:
            among = among[None]
        others = 1 - torch.eye(among.shape[1], device=among.device)
        trust = F.silu(self.trust((among * others[None, :, :, None]).sum(2) / (among.shape[1] - 1)))
        trust = trust.expand(len(to_exemplars), -1, -1)
        each = F.silu(self.each(torch.cat([to_exemplars, trust], 2)))
        direct = (to_exemplars[..., -1] * 2 * torch.sigmoid(self.weight(trust)[..., 0])).sum(1)
        odds: Tensor = direct + self.last(F.silu(self.pool(each.sum(1))))[:, 0]
        return odds.float()
