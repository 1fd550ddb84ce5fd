"""The weights that ship, and their cards."""

from __future__ import annotations

import pytest

from ihaudit.nn import shipped, weights


@pytest.mark.parametrize("name", weights.names())
def test_shipped_weights_load_and_match_their_card(name: str) -> None:
    path = weights.FOLDER / f"{name}.safetensors"
    card = weights.card(path)
    assert {"trained_on", "command", "steps", "held_out", "training"} <= card.keys()
    assert weights.digests()[path.name] == card["sha256"] and path.stat().st_size < 5 << 20
    getattr(shipped, f"load_{name}")()


def test_the_membership_head_belongs_to_the_similarity_network() -> None:
    assert shipped.load_membership()[1] == weights.digests()["similarity.safetensors"]
