"""The white-box check: predictable, reused and image-dependent masks are named; secure ones are not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from ihaudit.attacks.prng.whitebox import examine, image_dependence, linear_complexity, repeated, reused, whitebox
from ihaudit.audit.checks import release_checks
from ihaudit.release import Provenance, Release, Truth
from tests.attacks.prng.helpers import mixtures

SHAPE = (40, 32, 32, 3)


@pytest.fixture(scope="module")
def plain() -> np.ndarray:
    return mixtures(SHAPE[0], 8)


def secure(seed: int, shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    return (2 * np.random.default_rng(seed).integers(0, 2, shape) - 1).astype(np.int8)


@pytest.mark.parametrize(
    ("draw", "complexity"),
    [
        (lambda rs: rs.randint(0, 2, SHAPE), 19937),
        (lambda rs: rs.rand(*SHAPE) < 0.5, 19938),
        (lambda rs: rs.randint(0, 2, (SHAPE[0], 3, 32, 32)).transpose(0, 2, 3, 1), 19937),
    ],
)
def test_mersenne_twister_is_named(
    plain: np.ndarray, draw: Callable[[np.random.RandomState], np.ndarray], complexity: int
) -> None:
    masks = (2 * np.asarray(draw(np.random.RandomState())).astype(np.int8) - 1).astype(np.int8)
    finding = whitebox(masks, plain * masks)
    assert finding.status == "broken"
    assert finding.metrics["linear_complexity"].value == complexity
    assert "MT19937" in finding.sentence


def test_packed_draws_need_more_bits() -> None:
    masks = 2 * np.random.RandomState(3).randint(0, 2, (64, 32, 32, 3), dtype=np.int8) - 1
    rows = linear_complexity(masks)
    assert rows[-1]["complexity"] == 4 * 19937 and rows[-1]["p"] == 0


@pytest.mark.parametrize("seed", range(6))
def test_secure_masks_pass(plain: np.ndarray, seed: int) -> None:
    masks = secure(seed)
    finding = whitebox(masks, plain * masks, [secure(seed + 100)])
    assert finding.status == "no break found", finding.sentence


def test_p_values_of_dependence_are_uniform(plain: np.ndarray) -> None:
    drawn = [secure(s)[:8] for s in range(60)]
    p = np.array([[v[1] for v in image_dependence(m, plain[:8] * m).values()] for m in drawn])
    for column in p.T:
        assert 0.25 < column.mean() < 0.75
        assert 0 < (column < 0.25).mean() < 0.5


def test_reuse_within_and_across_runs(plain: np.ndarray) -> None:
    masks = secure(1)
    masks[7] = masks[31]
    masks[9] = -masks[3]
    assert reused(masks) == [(3, 9), (7, 31)]
    report = examine(masks, plain * masks, [secure(2)])
    assert len(report.broken) == 1 and "share their mask" in report.broken[0]
    again = examine(secure(1), plain * secure(1), [secure(1)])
    assert any("another run" in s for s in again.broken)


def test_exact_repeats_are_found_among_any_number(plain: np.ndarray) -> None:
    masks = np.concatenate([secure(3)] * 2 + [-secure(3)])
    assert repeated(masks) == [(i % 40, i) for i in range(40, 120)]
    assert repeated(secure(3)) == [] and repeated(masks[..., :1, :1, :1]) == []


def test_blocks_do_not_change_the_tests(plain: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = image_dependence(secure(6), plain * secure(6))
    monkeypatch.setattr("ihaudit.attacks.prng.whitebox.BLOCK", 7)
    parts = image_dependence(secure(6), plain * secure(6))
    for name, value in whole.items():
        np.testing.assert_allclose(value, parts[name], rtol=1e-9)


def test_masks_that_come_again_in_another_run_are_found_by_an_audit(plain: np.ndarray) -> None:
    encodings = (plain * secure(8)).astype(np.float32)
    truth = Truth(plain, np.zeros(40, np.int64), Provenance(np.arange(40)[:, None], masks=secure(8)))

    def again(seed: int) -> Release:
        return Release(encodings, provenance=Provenance(np.arange(40)[:, None], masks=secure(seed)))

    same = release_checks(Release(encodings), truth, lambda: again(8))[-1]
    assert same.status == "broken" and "another run" in same.sentence
    fresh = release_checks(Release(encodings), truth, lambda: again(9))[-1]
    assert fresh.status == "no break found" and "or in another run" in fresh.sentence


def test_masks_that_follow_the_image(plain: np.ndarray) -> None:
    masks = secure(4)
    rng = np.random.default_rng(0)
    leak = rng.random(masks.shape) < 0.1
    sign = np.where(plain >= 0, 1, -1).astype(np.int8)
    dependent = np.where(leak, sign, masks)
    assert any("mixture" in s for s in examine(dependent, plain * dependent).broken)
    bright = np.where(leak, np.where(np.abs(plain) > np.median(np.abs(plain)), 1, -1), masks).astype(np.int8)
    assert any("magnitude" in s for s in examine(bright, plain * bright).broken)
    smooth = np.repeat(secure(5, (40, 16, 32, 3)), 2, axis=1)
    assert any("vertical" in s for s in examine(smooth, plain * smooth).broken)


def test_not_run_without_masks(plain: np.ndarray) -> None:
    assert whitebox(None, plain).status == "not run"
    assert whitebox(np.zeros(SHAPE, np.int8), plain).status == "not run"
    assert whitebox(secure(0)[:3], plain).status == "not run"
