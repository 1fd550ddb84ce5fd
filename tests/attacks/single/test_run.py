"""The attacks as a whole: positive control, null controls, determinism, what the adversary lacks."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from ihaudit.attacks.single import RecolourAttack, SingleAttack, run
from ihaudit.contracts.attack import AttackOutput
from ihaudit.contracts.configure import configure
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import View
from ihaudit.errors import NotApplicable, UsageError
from ihaudit.metrics.ssim import ssim
from ihaudit.registry import load
from ihaudit.release import Release
from ihaudit.scheme import Knowledge
from ihaudit.schemes.instahide import InstaHide
from tests.attacks.single.photographs import crops

N, M, K = 8, 250, 3


@pytest.fixture(autouse=True, scope="module")
def _quick_calibration() -> Iterator[None]:
    """Fewer own mixtures than any profile uses: the checks below are coarse."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(run.CALIBRATION, "quick", 48)
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        yield
        torch.set_num_threads(threads)


def release(**parameters: object) -> Release:
    scheme = InstaHide(**{"k": K, "epochs": 1, "private_per_encoding": 1, **parameters})  # type: ignore[arg-type]
    return scheme.encode(crops("private", N), np.arange(N) % 2, crops("public", M), np.random.default_rng(5))


def view(r: Release, public: np.ndarray | None, labels: bool = True) -> View:
    return View(r.encodings, r.labels if labels else None, r.image_range, public_set=public)


@pytest.fixture(scope="module")
def attacked() -> tuple[Release, AttackOutput]:
    r = release()
    return r, SingleAttack().run(view(r, crops("public", M)), Context(seed=3))


def held(r: Release, count: int = N) -> np.ndarray:
    """The private image that each encoding holds (most of)."""
    p = r.provenance
    assert p is not None and p.coefficients is not None
    result: np.ndarray = crops("private", N)[p.sources[np.arange(count), p.coefficients[:count].argmax(1)]]
    return result


def found(r: Release, output: AttackOutput) -> tuple[float, float]:
    """Share of public images with coefficient above 0.1 that were found, and false ones per encoding."""
    p = r.provenance
    assert p is not None and p.public_sources is not None and p.public_coefficients is not None
    members = output.diagnostics["public_members"]
    strong = [(e, m) for e, j in zip(*np.nonzero(p.public_coefficients > 0.1)) for m in [p.public_sources[e, j]]]
    false = sum(len({m for m in members[e] if m >= 0} - set(p.public_sources[e].tolist())) for e in range(len(members)))
    return float(np.mean([m in members[e] for e, m in strong])), false / len(members)


def test_one_encoding_shows_the_private_image(attacked: tuple[Release, AttackOutput]) -> None:
    r, output = attacked
    share, false = found(r, output)
    assert share > 0.7 and false < 0.5
    assert ssim(output.images, held(r)).mean() > 0.6
    assert output.members is not None and output.members[:, 0].tolist() == list(range(N))
    assert output.unmasked is not None and r.provenance is not None and r.provenance.masks is not None
    np.testing.assert_allclose(np.abs(output.unmasked), np.abs(r.encodings), atol=1e-6)
    right = np.sign(output.unmasked) == np.sign(r.encodings * r.provenance.masks)
    assert right.mean() > 0.85


def test_own_confidence_is_near_the_truth(attacked: tuple[Release, AttackOutput]) -> None:
    r, output = attacked
    assert output.confidence is not None
    assert abs(float(output.confidence.mean() - ssim(output.images, held(r)).mean())) < 0.1


def test_the_same_seed_gives_the_same_answer() -> None:
    r = release()
    few = View(r.encodings[:2], r.labels[:2] if r.labels is not None else None, (-1, 1), public_set=crops("public", 60))
    one, two = (SingleAttack().run(few, Context(seed=3)) for _ in range(2))
    np.testing.assert_array_equal(one.images, two.images)
    assert one.diagnostics == two.diagnostics


def test_public_images_that_were_not_used_are_not_found() -> None:
    output = SingleAttack().run(view(release(), crops("other", M)), Context(seed=3))
    assert output.diagnostics["public_found_per_encoding"] < 0.5


def test_noise_shows_nothing() -> None:
    rng = np.random.default_rng(0)
    noise = np.clip(rng.normal(0, 0.3, (4, 32, 32, 3)), -1, 1).astype(np.float32)
    public = crops("public", 60)
    for attack in (SingleAttack(), RecolourAttack()):
        output = attack.run(View(noise, image_range=(-1, 1), public_set=public), Context(seed=3))
        assert ssim(output.images, crops("private", 4)).max() < 0.3
    assert output.confidence is not None


def test_without_the_public_set_the_mixture_is_recoloured() -> None:
    r = release(release_abs=True)
    signed = release()
    assert signed.provenance is not None and signed.provenance.masks is not None
    np.testing.assert_allclose(np.abs(signed.encodings), r.encodings)
    output = RecolourAttack().run(view(r, None), Context(seed=3))
    assert output.unmasked is not None
    truth = signed.encodings * signed.provenance.masks
    weight = np.abs(truth)
    right = ((np.sign(output.unmasked) == np.sign(truth)) * weight).sum((1, 2, 3)) / weight.sum((1, 2, 3))
    assert np.maximum(right, 1 - right).mean() > 0.8
    assert output.images.shape == r.encodings.shape


def test_pairs_of_private_images_leave_their_mixture() -> None:
    r = release(k=4, private_per_encoding=2)
    output = SingleAttack().run(view(r, crops("public", M)), Context(seed=3))
    p = r.provenance
    assert p is not None and p.coefficients is not None and output.coefficients is not None
    share = p.coefficients.sum(1)
    np.testing.assert_allclose(output.coefficients[:, 0], share, atol=1e-5)
    mixed = np.einsum("es,eshwc->ehwc", p.coefficients / share[:, None], crops("private", N)[p.sources])
    assert ssim(output.images, np.clip(mixed, 0, 1)).mean() > 0.5


def test_the_published_variant_runs_and_options_are_checked() -> None:
    r = release()
    output = configure("single:matching=ssim,k=3").run(view(r, crops("public", M)), Context(seed=3))
    assert np.shape(output.diagnostics["public_members"]) == (N, 2)
    assert np.isfinite(output.images).all()
    with pytest.raises(UsageError, match="did you mean 'filter'"):
        configure("single:matching=filters")
    with pytest.raises(UsageError, match="whole number"):
        configure("single:k=x")


def test_what_is_missing_is_said() -> None:
    r = release()
    with pytest.raises(NotApplicable, match="does not have the public set"):
        SingleAttack().run(view(r, None), Context(seed=0))
    with pytest.raises(NotApplicable, match="at least 16"):
        SingleAttack().run(view(r, crops("public", M)[:4]), Context(seed=0))
    with pytest.raises(NotApplicable, match="cannot be subtracted"):
        SingleAttack().run(view(r, crops("public", 20, side=40)), Context(seed=0))


def test_both_are_registered_with_what_they_need() -> None:
    attacks = load("attack")
    assert attacks["single"].needs == {Knowledge.ENCODINGS, Knowledge.PUBLIC_SET}
    assert attacks["recolour"].needs == {Knowledge.ENCODINGS}
