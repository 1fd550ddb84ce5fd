"""Training again is deterministic and leaves the global generator alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from ihaudit.nn import retraining
from ihaudit.nn.releases import ReleaseConfig
from ihaudit.nn.retraining import Pool, Recipe, Retraining
from tests.attacks.releases import photographs


def test_the_same_seed_gives_the_same_weights_and_leaves_torchs_generator_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retraining, "MEASURED", 1)
    monkeypatch.setattr(retraining, "BATCH", 64)
    images, _ = photographs(60, size=16)
    x = (images.mean(-1, keepdims=True) * 255).astype(np.uint8)
    pool = Pool(x[:40], np.zeros(40, np.int64), x[40:])
    recipe = Recipe((1, 16, 16), ReleaseConfig(k=(2, 3)), steps=2, seed=1)
    found = []
    for folder in (tmp_path / "a", tmp_path / "b"):
        torch.manual_seed(4)
        before = torch.get_rng_state()
        Retraining(recipe, (pool,) * 3, folder, {}, lambda *_: None).run("unmask")
        assert torch.equal(torch.get_rng_state(), before)
        found.append((folder / "unmask.safetensors").read_bytes())
    assert found[0] == found[1]
