"""`phase-public` on a small release, and with a public set that is not the release's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from ihaudit.attacks.phase_public import PhasePublic
from ihaudit.contracts.attack import AttackOutput
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import View
from ihaudit.errors import NotApplicable
from ihaudit.scheme import Knowledge
from tests.attacks.releases import photographs
from tests.benchmarks.attacks import scores


@dataclass(frozen=True)
class Mixed:
    """A release made from a known public set, with its truth."""

    encodings: np.ndarray
    labels: np.ndarray
    images: np.ndarray
    public: np.ndarray
    members: np.ndarray
    public_members: np.ndarray
    lambdas: np.ndarray


def mixed(n: int = 12, epochs: int = 40, k: int = 4, seed: int = 5, count: int = 300, size: int = 16) -> Mixed:
    """Cross-dataset InstaHide, both private images of an encoding of their own, on [-1, 1]."""
    rng = np.random.default_rng(seed)
    images, labels = photographs(n, seed, size)
    public, _ = photographs(count, seed + 1000, size)
    members = np.concatenate([np.stack([rng.permutation(n) for _ in range(2)], 1) for _ in range(epochs)])
    lambdas = rng.dirichlet(np.ones(k), 20 * len(members)).astype(np.float32)
    lambdas = lambdas[(lambdas.max(1) <= 0.65) & (lambdas[:, :2].sum(1) >= 0.3)][: len(members)]
    chosen = np.stack([rng.choice(count, k - 2, replace=False) for _ in members])
    x = np.einsum("es,eshwc->ehwc", lambdas[:, :2], images[members] * 2 - 1)
    x += np.einsum("es,eshwc->ehwc", lambdas[:, 2:], public[chosen] * 2 - 1)
    x *= rng.integers(0, 2, x.shape) * 2 - 1
    soft = np.zeros((len(x), 4), np.float32)
    for j in range(2):
        np.add.at(soft, (np.arange(len(x)), labels[members[:, j]]), lambdas[:, j])
    return Mixed(x.astype(np.float32), soft, images, public, members, chosen, lambdas)


def run(m: Mixed, public: np.ndarray) -> AttackOutput:
    view = View(
        m.encodings,
        m.labels,
        image_range=(-1.0, 1.0),
        knows=frozenset({Knowledge.ENCODINGS, Knowledge.LABELS, Knowledge.PUBLIC_SET}),
        public_set=public,
        hints={"n_private": len(m.images)},
    )
    return PhasePublic().run(view, Context(seed=1))


def test_images_are_nearly_exact_with_the_public_set() -> None:
    m = mixed()
    out = run(m, m.public)
    assert scores(out.images, m.images).mean() > 0.97
    assert out.diagnostics["encodings_explained"] > 0.8
    record = next(s for s in out.stages if s.name == "public")
    assert record.variant == "identify"
    assert 1.5 < out.diagnostics["public_per_encoding"] < 2.3


def test_a_wrong_public_set_explains_nothing_and_does_no_harm() -> None:
    """Null control: other photographs than those mixed in; wrong identifications are rejected by the fit."""
    m = mixed()
    other, _ = photographs(300, 4321, 16)
    rng = np.random.default_rng(0)
    other = rng.permuted(other.reshape(len(other), -1), axis=0).reshape(other.shape)  # spectra of their own
    out = run(m, other)
    assert out.diagnostics["encodings_explained"] < 0.05
    assert out.diagnostics["public_per_encoding"] < 0.5


def test_what_lacks_or_does_not_fit_is_not_applicable() -> None:
    m = mixed(epochs=4)
    with pytest.raises(NotApplicable, match="no public images"):
        run(m, m.public[:0])
    with pytest.raises(NotApplicable, match="8 x 8 x 3"):
        run(m, m.public[:, ::2, ::2])
