"""Embeddings of the similarity network."""

from __future__ import annotations

import pytest
import torch

from ihaudit.attacks.numerics import pair_odds
from ihaudit.attacks.recipe import start
from ihaudit.contracts.context import Context
from ihaudit.nn.shipped import load_similarity
from ihaudit.nn.similarity import PairNet
from tests.attacks.releases import instahide
from tests.attacks.states import view_of


def test_embeddings_in_blocks_equal_one_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    net = load_similarity()
    assert isinstance(net, PairNet)
    monkeypatch.setattr(pair_odds, "bf16_is_fast", lambda device: False)
    monkeypatch.setattr(pair_odds, "EMBED", 5)
    rows = start(view_of(instahide(n=12, epochs=1, k=3, seed=2, size=32)), Context(seed=1)).observed.values
    parts = pair_odds.embed(net, rows)
    with torch.inference_mode():
        whole = net.embed(rows.view(-1, 3, 32, 32))
    for a, b in zip(parts, whole, strict=True):
        torch.testing.assert_close(a.float(), b, atol=5e-3, rtol=5e-3)
