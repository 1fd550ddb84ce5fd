"""Mask scans at known offsets; the torch filter agrees with the CPU kernel seed by seed."""

from __future__ import annotations

import pytest

from ihaudit.attacks.prng.generators import mt
from ihaudit.attacks.prng.generators.conventions import NCHW, NHWC, PLAIN
from ihaudit.attacks.prng.scans import masks
from tests.attacks.prng.helpers import mixtures, signs


@pytest.mark.slow
def test_mask_scan_at_a_far_offset() -> None:
    seed, offset, count = 4_000_000_123, 2_000_003, 6
    words = mt.generate(mt.init_genrand(seed), offset + count * 3072)[offset:]
    x = mixtures(count, 3) * signs(words, PLAIN[0], NCHW, count)
    targets = [masks.target_from_masks(x, PLAIN[0], layout, offset) for layout in (NHWC, NCHW)]
    assert masks.scan(targets, first=seed - 50_000, last=seed + 50_000) == [(seed, 1)]


def test_torch_filter_and_scan() -> None:
    seed, count = 4_294_900_000, 6
    x = mixtures(count, 4) * signs(mt.generate(mt.init_genrand(seed), 31 + count * 3072)[31:], PLAIN[0], NHWC, count)
    targets = [masks.target_from_masks(x, c, NHWC, 31) for c in PLAIN[:2]]
    first, last = seed - 5000, seed + 3192
    passed = masks.passing_torch(first, last, targets, "cpu")
    assert sorted(zip(*passed)) == sorted(zip(*masks.passing(first, last, targets)))
    assert masks.confirmed(*passed, targets) == [(seed, 0)]
    assert masks.scan(targets, first=first, last=last) == [(seed, 0)]
