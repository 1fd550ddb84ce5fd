"""The torch filters agree with the CPU kernels seed by seed (on CPU tensors)."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ihaudit.attacks.prng.generators import mt
from ihaudit.attacks.prng.generators.conventions import NHWC, PLAIN
from ihaudit.attacks.prng.scans import labels as labelscan
from ihaudit.attacks.prng.scans import masks as maskscan
from ihaudit.attacks.prng.scans import torch_filters as device
from tests.attacks.prng.helpers import mixtures
from tests.attacks.prng.test_recovery import draw_labels, signs


@pytest.mark.parametrize("first", [0, 2**31 - 2048, 2**32 - 4096])
def test_label_filter(first: int) -> None:
    target = labelscan.target_from_labels(draw_labels(5, 4, 100).round(4), 4)  # coarse, so that many seeds pass
    wanted, tries, low, high, tolerance = labelscan.prepare(target, 3, 0)
    tolerance = tolerance * 30
    out = np.empty(4096, np.uint32)
    n = labelscan._filter(first, 4096, tries, wanted, low, high, tolerance, out)
    seeds = device.seed_batch(first, 4096, "cpu")
    passed = torch.nonzero(device.label_filter(seeds, tries, wanted, low, high, tolerance))[:, 0].numpy()
    assert n > 20
    # float32 sums may round differently when fused: the last place decides at most one seed in a thousand
    assert len(set((first + passed).tolist()) ^ set(out[:n].tolist())) <= 2


def test_mask_filter_and_scan() -> None:
    seed, count = 4_294_900_000, 6
    x = mixtures(count, 4) * signs(mt.generate(mt.init_genrand(seed), 31 + count * 3072)[31:], PLAIN[0], NHWC, count)
    targets = [maskscan.target_from_masks(x, c, NHWC, 31) for c in PLAIN[:2]]
    masks, wanted = maskscan.stack(targets)
    first = seed - 5000
    out, owner = np.empty(2000, np.uint32), np.empty(2000, np.int64)
    n = maskscan._filter(first, 8192, masks, wanted, out, owner)
    passed = torch.nonzero(device.mask_filter(device.seed_batch(first, 8192, "cpu"), masks, wanted)).numpy()
    assert sorted(zip((first + passed[:, 0]).tolist(), passed[:, 1].tolist())) == sorted(
        zip(out[:n].tolist(), owner[:n].tolist())
    )
    assert device.scan_masks(targets, first=first, last=first + 8192, device="cpu") == [(seed, 0)]
    assert maskscan.scan(targets, first=first, last=first + 8192) == [(seed, 0)]


def test_label_scan() -> None:
    target = labelscan.target_from_labels(draw_labels(2_500_000_000, 4, 100), 4)
    assert device.scan_labels(target, first=2_499_990_000, last=2_500_010_000, rows=5, device="cpu") == [2_500_000_000]
