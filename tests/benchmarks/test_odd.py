"""The table of odd data: its releases are what their names say, and one run answers for both attacks."""

from __future__ import annotations

import numpy as np
import pytest

from ihaudit.attacks.unmix import Unmix
from ihaudit.attacks.unmix_public import UnmixPublic
from ihaudit.contracts.attack import AttackOutput
from ihaudit.contracts.context import Context
from tests.benchmarks.odd import EXACT, RELEASES, both, figures, made, main

CTX = Context(seed=1, profile="quick")


@pytest.mark.data
def test_it_runs_a_tiny_release(capsys: pytest.CaptureFixture[str]) -> None:
    tiny = ["--n", "3", "--epochs", "3", "--patches", "40"]
    assert main(["--only", "16 x 16", *tiny]) == 0
    head, rule, row = capsys.readouterr().out.splitlines()
    assert row.startswith("| 16 x 16 | 3 |") and head.count("|") == rule.count("|") == row.count("|")


def test_names_are_listed_and_unknown_ones_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == 0
    assert capsys.readouterr().out.splitlines() == list(RELEASES)
    assert main(["--only", "gray"]) == 2
    assert "no release 'gray'" in capsys.readouterr().out


@pytest.mark.data
@pytest.mark.parametrize("name", ["as it is", pytest.param("no labels", marks=pytest.mark.slow)])
def test_one_run_answers_what_each_attack_answers_alone(name: str) -> None:
    _, view = made(RELEASES[name], 1, n=3, epochs=3, count=40)
    for out, alone in zip(both(view, CTX), (Unmix().run(view, CTX), UnmixPublic().run(view, CTX)), strict=True):
        np.testing.assert_array_equal(out.images, alone.images)
        np.testing.assert_array_equal(out.confidence, alone.confidence)


@pytest.mark.data
@pytest.mark.parametrize("name", RELEASES)
def test_releases_are_made(name: str) -> None:
    sample, view = made(RELEASES[name], 1, n=4, epochs=2, count=40)
    public = view.public_set
    assert public is not None and public.shape[1:] == sample.images.shape[1:] == view.encodings.shape[1:]
    assert public.min() >= 0 and public.max() <= 1 and np.isfinite(view.encodings).all()
    assert np.abs(view.encodings).max() <= view.image_range[1] + 1.5 * ("noise of" in name)
    np.testing.assert_allclose(sample.lambdas.sum(1), 1, atol=1e-5)
    if name == "10 of 20 twice":
        assert len(np.unique(sample.images, axis=0)) == 2


def test_worst_of_those_said_to_be_exact() -> None:
    rng = np.random.default_rng(0)
    truth = rng.uniform(size=(3, 16, 16, 3)).astype(np.float32)
    wrong = rng.uniform(size=(1, 16, 16, 3)).astype(np.float32)
    before = AttackOutput(truth[:2], confidence=np.array([0.5, 0.5]))
    good = AttackOutput(np.concatenate([truth, truth[:1]]), confidence=np.array([EXACT, EXACT, 0.2, EXACT]))
    found = figures(before, good, truth)
    assert found.exact == 3 and found.worst_exact == pytest.approx(1) and found.answers == 4
    assert found.unmix.tolist() == pytest.approx([1, 1, 0]) and found.public.min() == pytest.approx(1)
    bad = AttackOutput(np.concatenate([truth[:2], wrong]), confidence=np.array([EXACT, 0.5, EXACT]))
    worst = figures(before, bad, truth)
    assert worst.worst_exact is not None and worst.worst_exact < 0.2 and worst.over > 0.7
