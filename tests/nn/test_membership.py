"""The membership head: its sets, what it begins as, and its training."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ihaudit.nn.fitting import TrainConfig, train
from ihaudit.nn.tasks.membership import MembershipTask, draw_sets, set_logits
from ihaudit.nn.tasks.similarity import SimilarityTask
from tests.nn.samples import TINY, releases

CONFIG = TrainConfig(steps=2, batch=32, every=1, validation=256, bf16=False, rate=1e-3)


def membership() -> MembershipTask:
    torch.manual_seed(0)
    encoder = SimilarityTask(releases(), releases(seed=5), TINY).build()
    return MembershipTask(releases(), releases(seed=5), encoder.eval(), pooled=8)


def test_sets_hold_four_of_one_image_and_are_not_asked_about_themselves() -> None:
    batch = draw_sets(releases(), np.random.default_rng(0), 48, wrong=0.0)
    assert len(batch.exemplars) > 3
    for s, four in enumerate(batch.exemplars):
        assert len(set(four.tolist())) == 4
        assert batch.belongs[four, s].all() and not batch.asked[four, s].any()
    assert int((~batch.asked).sum()) == 4 * len(batch.exemplars)
    wrong = draw_sets(releases(), np.random.default_rng(0), 48, wrong=1.0)
    assert all(int(wrong.belongs[four, s].sum()) == 3 for s, four in enumerate(wrong.exemplars))


def test_membership_begins_as_the_sum_of_pair_log_odds_and_ignores_the_order_of_exemplars() -> None:
    t = membership()
    for layer in (t.encoder.head.direct, t.encoder.head.last):
        torch.nn.init.normal_(layer.weight)
    head = t.build()
    batch = draw_sets(t.held_out, np.random.default_rng(1), 32)
    z = t.embed(batch, CONFIG)
    f = batch.release.facts
    with torch.no_grad():
        found, _ = set_logits(head, z, batch)
        pairs = t.encoder.compare(z, z, f, f)[:, batch.exemplars].sum(2)[batch.asked]
        torch.testing.assert_close(found, pairs, atol=1e-3, rtol=1e-3)
        torch.nn.init.normal_(head.last.weight)
        first, _ = set_logits(head, z, batch)
        turned = replace(batch, exemplars=batch.exemplars.flip(1))
        torch.testing.assert_close(first, set_logits(head, z, turned)[0], atol=1e-3, rtol=1e-3)


def test_membership_resumes_to_the_bit(tmp_path: Path) -> None:
    whole, _ = train(membership(), CONFIG, None, lambda _: None)

    def stop(line: str) -> None:
        if line.startswith("step 1/"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(membership(), CONFIG, tmp_path / "c.pt", stop)
    again, _ = train(membership(), CONFIG, tmp_path / "c.pt", lambda _: None)
    for (name, a), b in zip(whole.state_dict().items(), again.state_dict().values()):
        assert torch.equal(a, b), name
