"""What is known of encodings with the public set: leverage, and coefficients that no label tells."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from ihaudit.attacks.numerics.labels import read_slots
from ihaudit.attacks.numerics.mixing import Mixing, Reconstruction
from ihaudit.attacks.numerics.public_system import TRIVIAL, PublicSystem
from tests.attacks.releases import photographs

N, EPOCHS, SIDE = 6, 8, 16


def system(*, factor: float = 1.0, told: bool = True, seed: int = 0) -> tuple[PublicSystem, torch.Tensor, torch.Tensor]:
    """Six images, of one of which one encoding is left, nearly known; with the true images (N, P) and coefficients.

    Args:
        factor: by which images and coefficients are off, in opposite directions.
        told: labels tell the coefficients.
    """
    rng = np.random.default_rng(seed)
    images, _ = photographs(N, seed, SIDE)
    public, _ = photographs(60, 1000, SIDE)
    members = np.concatenate([np.stack([rng.permutation(N) for _ in range(2)], 1) for _ in range(EPOCHS)])
    members = members[members[:, 0] != members[:, 1]]
    holding = np.nonzero((members == 5).any(1))[0][1:]
    members = np.delete(members, holding, 0)
    lam = rng.dirichlet(np.ones(4), 40 * len(members)).astype(np.float32)
    lam = lam[lam.min(1) > 0.1][: len(members)]
    chosen = np.stack([rng.choice(60, 2, replace=False) for _ in members])
    truth, others = images * 2 - 1, public * 2 - 1
    x = np.einsum("es,eshwc->ehwc", lam[:, :2], truth[members]) + np.einsum(
        "es,eshwc->ehwc", lam[:, 2:], others[chosen]
    )

    def flat(pictures: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(pictures.transpose(0, 3, 1, 2)).reshape(len(pictures), -1)).float()

    rows, exact = flat(x), flat(truth)
    labels = np.zeros((len(x), N), np.float32)
    for j in range(2):
        labels[np.arange(len(x)), members[:, j]] = lam[:, j] if told else 1.0
    mixing = Mixing(
        torch.from_numpy(members), torch.from_numpy(lam[:, :2] * factor), torch.from_numpy(1 - lam[:, :2].sum(1)), N
    )
    near = torch.cat([exact / factor + 0.05 * torch.randn(exact.shape), torch.zeros(1, exact.shape[1])])
    made = PublicSystem.begin(
        rows.abs(),
        (3, SIDE, SIDE),
        (-1.0, 1.0),
        read_slots(labels, len(x)),
        [np.array([i]) for i in range(N)],
        mixing,
        Reconstruction(near, torch.full((len(x),), 0.01)),
        public,
        torch.sign(rows),
    )
    made.share = torch.from_numpy(1 - lam[:, :2].sum(1))
    return made, exact, torch.from_numpy(lam[:, :2])


def solve(made: PublicSystem, *, reweigh: bool) -> None:
    for _ in range(6):
        made.identify(torch.nonzero(~made.explained())[:, 0])
        for _ in range(2):
            made.expect(torch.arange(len(made.noise)))
            made.solve()
        if reweigh:
            made.reweigh()


def test_leverage_adds_up_to_the_images_and_one_encoding_bears_nothing_out() -> None:
    torch.manual_seed(0)
    made, exact, _ = system()
    solve(made, reweigh=False)
    assert abs(float(made.leverage.sum()) - N) < 0.01
    alone = (made.members == 5).any(1)
    assert int(alone.sum()) == 1 and float(made.leverage[alone]) > TRIVIAL
    assert not bool(made.explained()[alone]) and float(made.explained()[~alone].float().mean()) > 0.8
    assert float((made.images[:5] - exact[:5]).square().mean().sqrt()) < 0.02


def test_coefficients_that_no_label_tells_are_found_with_their_scale() -> None:
    torch.manual_seed(0)
    made, exact, truth = system(factor=1.2, told=False)
    known = (made.members != 5).all(1)
    assert float((made.coefficients - truth)[known].abs().median()) > 0.04
    solve(made, reweigh=True)
    explained = known & made.explained()
    assert float(explained.float().sum()) > 0.7 * float(known.float().sum())
    assert float((made.coefficients - truth)[explained].abs().median()) < 0.005
    assert float((made.images[:5] - exact[:5]).square().mean().sqrt()) < 0.03
    torch.testing.assert_close(made.share[known], 1 - made.coefficients[known].sum(1))


def test_weights_that_add_up_to_too_much_bear_nothing_out() -> None:
    torch.manual_seed(0)
    made, _, _ = system()
    solve(made, reweigh=False)
    good = made.bearing()
    assert float(good.float().mean()) > 0.7 and bool(made.exact()[:5].all())
    made.found.weight *= 1.3
    assert not bool(made.bearing().any()) and not bool(made.exact().any())
    assert bool(made.explained()[good].all())


def test_images_that_always_come_with_one_other_are_bound_unless_labels_tell_their_parts() -> None:
    torch.manual_seed(0)
    made, _, _ = system()
    solve(made, reweigh=False)
    assert not bool((made.exact() & made.bound()).any())
    couple = made.copy()
    couple.members[(couple.members == 1).any(1)] = torch.tensor([1, 3])
    assert not bool(couple.bound().any())  # their coefficients are told
    couple.slots = replace(couple.slots, informative=False)
    assert bool(couple.bound()[1]) and not bool(couple.bound()[3])


def test_noise_of_the_release_is_what_most_encodings_are_alike_in() -> None:
    torch.manual_seed(0)
    made, _, _ = system()
    solve(made, reweigh=False)
    made.leverage[:] = 0.1
    spread = torch.linspace(-1, 1, len(made.noise))
    made.noise = (0.02 * (1 + 0.02 * spread)).square()
    made.settle()
    assert 0.019 < made.level < 0.021 and bool(made.explained().all())
    wide = made.copy()
    wide.noise = (0.02 * (2 * spread).exp()).square()
    wide.settle()
    assert wide.level == 0 and float(wide.explained().float().mean()) < 0.6
    much = made.copy()  # as alike, but as much as the mixtures themselves: nothing is known of them
    much.noise = (0.3 * (1 + 0.02 * spread)).square()
    much.settle()
    assert much.level == 0 and not bool(much.explained().any())


def test_standard_errors_are_those_of_least_squares() -> None:
    torch.manual_seed(0)
    made, _, _ = system()
    solve(made, reweigh=False)
    made.noise[:] = 0.05**2
    # what is left of each encoding replaced by noise of that size, solved again
    rows = torch.arange(len(made.noise))
    clean = made.private(rows) + made.public(rows)
    made.unmasked = clean + 0.05 * torch.randn(clean.shape)
    before = made.images.clone()
    error = made.standard_error()
    made.solve()
    got = (made.images - before).square().mean(1).sqrt()
    assert bool((got / error > 0.9).all()) and bool((got / error < 1.1).all())
