"""The torch filters of the scans for seeds agree with the CPU kernels seed by seed (on CPU tensors)."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ihaudit.attacks.prng.generators import lanes
from ihaudit.attacks.prng.generators.conventions import NCHW, NHWC
from ihaudit.attacks.prng.generators.kinds import KINDS
from ihaudit.attacks.prng.scans import first_mask as seedscan
from ihaudit.attacks.prng.scans import torch_first_mask as device_seeds
from ihaudit.attacks.prng.scans.torch_filters import seed_batch
from tests.attacks.prng.test_seedscan import masked, targets_of


@pytest.mark.parametrize("kind", KINDS, ids=lambda k: f"{KINDS[k].model}-{k}")
@pytest.mark.parametrize("first", [0, 2**31 - 500, 2**32 - 1000])
def test_bits(kind: int, first: int) -> None:
    k = KINDS[kind]
    n = k.within(lanes.REACH[k.model]) or 2000
    elements = np.concatenate([np.random.default_rng(kind).integers(0, n, 30), [0, n - 1]])
    seeds = np.arange(first, first + 1000).astype(np.uint32)
    bits = device_seeds.read(seed_batch(first, 1000, "cpu"), k.model, *k.places(elements))
    assert (bits.numpy() == lanes.reader(k.model, *k.places(elements))(seeds)).all()


@pytest.mark.parametrize("model", lanes.REACH)
def test_passes_and_scan(model: str) -> None:
    kind = next(k for k, v in KINDS.items() if v.model == model)
    seed = 2**32 - 700
    targets = targets_of(masked(kind, seed, NCHW), model, (NHWC, NCHW))
    first, count = seed - 1000, 1700
    seeds = np.arange(first, first + count).astype(np.uint32)
    for pairs, allowed in seedscan.stages(model):
        stage = seedscan.stage(targets, pairs, allowed)
        lane, owner = seedscan.passer(stage)(seeds)
        passed = torch.nonzero(device_seeds.passed(seed_batch(first, count, "cpu"), stage)).numpy()
        assert sorted(zip(owner.tolist(), lane.tolist())) == sorted(map(tuple, passed.tolist()))
    wanted = next(n for n, t in enumerate(targets) if t.kind == kind and t.layout is NCHW)
    assert device_seeds.scan(targets, first=first, last=first + count, device="cpu") == [(seed, wanted)]
