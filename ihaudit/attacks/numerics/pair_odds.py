"""Log odds that two slots of one class hold one image, by a pair network (Carlini et al. 2021, 4.3.1).

Images may have been mirrored or shifted anew for every encoding.  The release does not say, but shows: under each
hypothesis (as they are; mirrored at random; mirrored and shifted) the pairs of one class have a likelihood, and the
likeliest hypothesis is used.  Mirrored images are compared both ways.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ihaudit.attacks.numerics.labels import Slots
from ihaudit.attacks.numerics.parallel import run_jobs
from ihaudit.errors import NotApplicable
from ihaudit.nn.comparator import Comparator
from ihaudit.nn.fitting import bf16_is_fast
from ihaudit.nn.similarity import Embedding, Facts, PairNet
from ihaudit.nn.similarity_wrn import PairWrn
from ihaudit.nn.unet import MIN_SIDE

IntArray = NDArray[np.int64]
Floats = NDArray[np.float32]
PairNetwork = PairNet | PairWrn | Comparator
#: encodings embedded at once, and nodes per side of a block of pairs
EMBED, BLOCK = 128, 256
#: nodes of one class that are compared; of more, those with the largest coefficients
MAX_NODES = 8000
#: nodes on which augmentation is decided, and shares of true pairs that are tried
PROBE, SHARES = 400, (0.01, 0.03, 0.1, 0.3)


def require_shape(shape: tuple[int, int, int], net: PairNetwork | type[Comparator]) -> None:
    """`NotApplicable` where the network was not trained for encodings of this shape."""
    if shape != net.shape:
        (a, b, k), (c, h, w) = net.shape, shape
        remedy = "train networks for them with --train, or use" if min(h, w) >= MIN_SIDE else "use"
        raise NotApplicable(
            f"the networks were trained on {b} x {k} x {a} encodings, these are {h} x {w} x {c}; "
            f"{remedy} similarity=squares and assignment=likelihood"
        )


def facts_of(slots: Slots, rows: IntArray, columns: IntArray, device: torch.device, *, moved: bool) -> Facts:
    """What labels say of some slots."""
    share = np.clip(1 - slots.mass[rows].sum(1), 0, 1).astype(np.float32)
    both = slots.shared[rows]
    if not slots.informative:
        share[:], both = 0.6, np.zeros(len(rows), bool)
    return Facts(
        torch.from_numpy(slots.mass[rows, columns]).to(device),
        torch.from_numpy(share).to(device),
        torch.from_numpy(both).to(device),
        slots.informative,
        moved,
    )


def embed(
    net: PairNetwork, values: Tensor, *, mirrored: bool = False, progress: Callable[[float], None] | None = None
) -> Embedding:
    """float16 embedding of |values| (n, P), in blocks on all cores."""

    def one(rows: slice) -> Embedding:
        x = values[rows].abs().view(-1, *net.shape)
        x = (x.flip(3) if mirrored else x).contiguous(memory_format=torch.channels_last)
        half = bf16_is_fast(x.device.type)
        with torch.inference_mode(), torch.autocast(x.device.type, torch.bfloat16, enabled=half):
            out = [z.half() for z in net.embed(x)]
        if progress is not None:
            progress(min(1.0, rows.stop / len(values)))
        return out

    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    blocks = [slice(i, min(i + EMBED, len(values))) for i in range(0, len(values), EMBED)]
    parts = run_jobs(one, blocks, values.device)
    return [torch.cat([p[v] for p in parts], 1) for v in range(len(parts[0]))]


def part_of(z: Embedding, nodes: Tensor) -> Embedding:
    """Some encodings of an embedding, float32."""
    return [x[:, nodes].float() for x in z]


class PairOdds:
    """Log odds of nodes of one class."""

    def __init__(
        self, net: PairNetwork, z: Embedding, mirrored: Embedding | None, rows: IntArray, facts: Facts
    ) -> None:
        self.net, self.z, self.mirrored, self.facts = net, z, mirrored, facts
        self.index = torch.from_numpy(rows).to(facts.mass.device)

    def block(self, a: slice, b: slice) -> Floats:
        """float32 (|a|, |b|)."""
        fa, fb = self.facts[a], self.facts[b]
        with torch.inference_mode():
            left = part_of(self.z, self.index[a])
            s = self.net.compare(left, part_of(self.z, self.index[b]), fa, fb)
            if self.mirrored is not None:
                other = self.net.compare(left, part_of(self.mirrored, self.index[b]), fa, fb)
                s = torch.logaddexp(s, other) - np.log(2)
        return s.cpu().numpy()

    def complete(self) -> Floats:
        """Symmetric (n, n) with diagonal 0; each pair is compared once."""
        n = len(self.index)
        out = np.zeros((n, n), np.float32)
        blocks = [slice(i, min(i + BLOCK, n)) for i in range(0, n, BLOCK)]

        def one(pair: tuple[slice, slice]) -> None:
            a, b = pair
            s = self.block(a, b)
            out[a, b] = s
            out[b, a] = (np.triu(s, 1) + np.triu(s, 1).T) if a == b else s.T

        pairs = [(a, b) for i, a in enumerate(blocks) for b in blocks[i:]]
        run_jobs(one, pairs, self.index.device)
        np.fill_diagonal(out, 0)
        return out

    def lines(self, i: int, j: int) -> Floats:
        """(j - i, n)."""
        n = len(self.index)
        rest = [slice(k, min(k + BLOCK, n)) for k in range(0, n, BLOCK)]
        rows = [slice(k, min(k + BLOCK, j)) for k in range(i, j, BLOCK)]
        found = run_jobs(lambda p: self.block(*p), [(a, b) for a in rows for b in rest], self.index.device)
        width = len(rest)
        return np.concatenate(
            [np.concatenate(found[r * width : (r + 1) * width], axis=1) for r in range(len(rows))], axis=0
        )


def strongest_nodes(slots: Slots, rows: IntArray, columns: IntArray) -> tuple[IntArray, IntArray]:
    if len(rows) <= MAX_NODES:
        return rows, columns
    keep = np.sort(np.argsort(-slots.mass[rows, columns], kind="stable")[:MAX_NODES])
    return rows[keep], columns[keep]


def augmentation(
    net: PairNetwork, values: Tensor, slots: Slots, z: Embedding, nodes: dict[int, tuple[IntArray, IntArray]]
) -> tuple[bool, bool, dict[str, float]]:
    """(mirrored, shifted) of the likeliest hypothesis, and the log-likelihoods (relative to no true pair)."""
    if isinstance(net, PairWrn) or not nodes:
        return False, False, {}
    c = min((c for c in nodes if len(nodes[c][0]) >= 100), key=lambda c: len(nodes[c][0]), default=None)
    if c is None:
        c = max(nodes, key=lambda c: len(nodes[c][0]))
    rows, columns = (x[:PROBE] for x in nodes[c])
    index = torch.from_numpy(rows).to(values.device)
    mirror = embed(net, values[index], mirrored=True)
    mirror_all = [torch.zeros_like(x) for x in z]
    for whole, part in zip(mirror_all, mirror):
        whole[:, index] = part
    found = {}
    for name, flipped, moved in (("none", False, False), ("mirrored", True, False), ("shifted", True, True)):
        facts = facts_of(slots, rows, columns, values.device, moved=moved)
        odds = PairOdds(net, z, mirror_all if flipped else None, rows, facts).complete()
        s = np.clip(odds[np.triu_indices(len(rows), 1)].astype(np.float64), -60, 60)
        found[name] = max(float(np.log1p(share * np.expm1(s)).sum()) for share in SHARES)
    best = max(found, key=lambda k: found[k])
    return best != "none", best == "shifted", found
