"""Reference schemes: what each releases has the law it states."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from ihaudit.errors import SchemeError, UsageError
from ihaudit.release import Provenance, Release
from ihaudit.sandbox import SchemeProcess
from ihaudit.sandbox.loader import SCHEMES, locate, reference_names
from ihaudit.scheme import Augmentation
from ihaudit.schemes.gaussian import Gaussian
from ihaudit.stats import gaussian_sigma

RNG = np.random.default_rng(0)
IMAGES = RNG.random((40, 16, 16, 3), dtype=np.float32)
LABELS = np.arange(40) % 5
PUBLIC = RNG.random((90, 16, 16, 3), dtype=np.float32)


def encode(name: str, seed: int = 1, **parameters: object) -> Release:
    sets = {k: str(v) for k, v in parameters.items()}
    with SchemeProcess(locate(name), sets, public=PUBLIC) as process:
        return process.encode(IMAGES, LABELS, seed=seed)


def provenance(release: Release) -> Provenance:
    assert release.provenance is not None
    return release.provenance


def rebuilt(release: Release) -> np.ndarray:
    """The mixture before the mask, from the provenance alone."""
    p = provenance(release)
    assert p.coefficients is not None
    mixed = np.einsum("es,eshwc->ehwc", p.coefficients, 2 * IMAGES[p.sources] - 1)
    if p.public_sources is not None:
        assert p.public_coefficients is not None
        mixed += np.einsum("es,eshwc->ehwc", p.public_coefficients, 2 * PUBLIC[p.public_sources] - 1)
    result: np.ndarray = mixed
    return result


@pytest.mark.parametrize("name", reference_names())
def test_every_reference_scheme_runs_states_itself_and_repeats(name: str) -> None:
    with SchemeProcess(locate(name), public=PUBLIC) as process:
        card = process.card
        a, b, c = process.encode_many([(IMAGES, LABELS, 1), (IMAGES, LABELS, 1), (IMAGES, LABELS, 2)])
    assert card.name and card.secrets and len(card.doc) > 40
    assert card.source == name and card.line > 1
    np.testing.assert_array_equal(a.encodings, b.encodings)
    if name not in ("identity", "constant", "blur", "pixelation"):  # no randomness in them
        assert not np.array_equal(a.encodings, c.encodings)
    assert a.labels is None or (a.labels.min() >= 0 and a.labels.sum(1).max() <= 1 + 1e-5)
    again = encode(name)
    np.testing.assert_array_equal(a.encodings, again.encodings)


@pytest.mark.parametrize("rng", ["secure", "numpy", "torch"])
def test_instahide_is_what_it_says(rng: str) -> None:
    release = encode("instahide", epochs=30, rng=rng)
    p = provenance(release)
    assert release.encodings.shape == (1200, 16, 16, 3) and release.image_range == (-1.0, 1.0)
    assert p.coefficients is not None and p.public_coefficients is not None and p.masks is not None
    lam = np.concatenate([p.coefficients, p.public_coefficients], axis=1)
    np.testing.assert_allclose(lam.sum(1), 1, atol=1e-5)
    assert lam.min() >= 0 and lam.max() <= 0.65 + 1e-6
    assert p.coefficients.sum(1).min() >= 0.3 - 1e-6
    # Every private image is in exactly `epochs` encodings per slot; public ones are uniform.
    for slot in range(2):
        assert (np.bincount(p.sources[:, slot], minlength=40) == 30).all()
    assert p.public_sources is not None
    assert stats.chisquare(np.bincount(p.public_sources.ravel(), minlength=90)).pvalue > 1e-4
    # The mask is balanced, and undoing it gives the stated mixture.
    assert abs(p.masks.mean(dtype=float)) < 5 / np.sqrt(p.masks.size)
    assert abs((p.masks[:, :, 1:] * p.masks[:, :, :-1]).mean(dtype=float)) < 5 / np.sqrt(p.masks.size)
    np.testing.assert_allclose(release.encodings * p.masks, rebuilt(release), atol=1e-5)
    assert release.labels is not None
    np.testing.assert_allclose(release.labels.sum(1), p.coefficients.sum(1), atol=1e-5)
    np.testing.assert_allclose(
        release.labels[np.arange(1200), LABELS[p.sources[:, 0]]] >= p.coefficients[:, 0] - 1e-6, 1
    )


def test_coefficients_have_the_law_of_the_reference_benchmark() -> None:
    p = provenance(encode("instahide", epochs=100))
    assert p.coefficients is not None
    x = np.abs(np.random.default_rng(5).standard_normal((40_000, 6)))
    x /= x.sum(1, keepdims=True)
    x = x[(x.max(1) <= 0.65) & (x[:, :2].sum(1) >= 0.3)]
    for mine, reference in ((p.coefficients[:, 0], x[:, 0]), (p.coefficients.sum(1), x[:, :2].sum(1))):
        assert stats.ks_2samp(mine, reference).pvalue > 1e-4


def test_inside_dataset_instahide_mixes_private_images_only() -> None:
    release = encode("instahide-inside", k=3, epochs=12)
    p = provenance(release)
    assert p.sources.shape == (480, 3) and p.public_sources is None
    assert (np.bincount(p.sources.ravel(), minlength=40) == 36).all()
    np.testing.assert_allclose(np.abs(release.encodings), np.abs(rebuilt(release)), atol=1e-5)
    assert release.labels is not None
    np.testing.assert_allclose(release.labels.sum(1), 1, atol=1e-5)


def test_release_abs_is_the_absolute_value_of_the_same_release() -> None:
    plain, folded = encode("instahide", epochs=2), encode("instahide", epochs=2, release_abs="true")
    np.testing.assert_array_equal(np.abs(plain.encodings), folded.encodings)
    assert provenance(folded).masks is None


def test_seeded_legacy_generators_repeat_themselves_and_give_the_library_masks() -> None:
    a, b = (
        encode("instahide", 1, rng="torch", rng_seed=7, epochs=1),
        encode("instahide", 2, rng="torch", rng_seed=7, epochs=1),
    )
    np.testing.assert_array_equal(a.encodings, b.encodings)
    import torch

    g = torch.Generator().manual_seed(7)
    torch.randperm(40, generator=g), torch.randperm(40, generator=g)
    bits = torch.randint(2, (40, 16, 16, 3), generator=g).numpy()
    np.testing.assert_array_equal(provenance(a).masks, 2 * bits - 1)
    c, d = encode("instahide", 1, rng="numpy", epochs=1), encode("instahide", 1, rng="numpy", epochs=1)
    assert not np.array_equal(c.encodings, d.encodings)  # seeded by the system
    e = encode("instahide", 1, rng="numpy", rng_seed=3, epochs=1, k=4)
    first = np.abs(np.random.RandomState(3).normal(size=(40, 4)))
    first /= first.sum(1, keepdims=True)
    kept = (first.max(1) <= 0.65) & (first[:, :2].sum(1) >= 0.3)
    assert kept.sum() > 20
    coefficients = provenance(e).coefficients
    assert coefficients is not None
    np.testing.assert_allclose(coefficients[kept], first[kept, :2], rtol=1e-5)


@pytest.mark.parametrize("eps", [0.1, 0.5])
def test_augmentation_moves_no_pixel_further_than_half_eps(eps: float) -> None:
    # Images that hold their own coordinates: a value away from the border is where its pixel came from.
    size = 32
    ramp = np.linspace(0, 1, size, dtype=np.float32)
    x = np.zeros((6, size, size, 3), np.float32)
    x[..., 0], x[..., 1] = ramp[None, :, None], ramp[None, None, :]
    with SchemeProcess(locate("instahide"), {"k": "1", "private_per_encoding": "1", "augment": str(eps)}) as process:
        release = process.encode(x, np.arange(6) % 2, seed=1)
    assert provenance(release).masks is not None
    seen = (release.encodings * provenance(release).masks + 1) / 2
    moved = np.abs(seen - x[0])[..., :2] * (size - 1)
    assert moved.max() <= eps / 2 * size + 1e-3
    assert moved.max() > eps / 2 * size * 0.8  # the bound is used


def test_rotation_turns_by_at_most_its_angle() -> None:
    x = np.zeros((4, 32, 32, 3), np.float32)
    x[:, 15, 26] = 1  # a point right of the middle, 10.5 pixels from it
    sets = {"k": "1", "private_per_encoding": "1", "rotate": "20", "epochs": "50"}
    with SchemeProcess(locate("instahide"), sets) as process:
        release = process.encode(x, np.arange(4) % 2, seed=1)
        assert process.card.augmentation == Augmentation(rotation=20)
    masks = provenance(release).masks
    assert masks is not None
    seen = ((release.encodings * masks + 1) / 2)[..., 0]
    places = np.arange(32) - 15.5
    weight = seen.sum((1, 2))
    angle = np.degrees(
        np.arctan2((seen * places[:, None]).sum((1, 2)) / weight, (seen * places).sum((1, 2)) / weight)
    ) - np.degrees(np.arctan2(-0.5, 10.5))
    assert 17 < np.abs(angle).max() < 21 and np.abs(np.mean(angle)) < 4
    np.testing.assert_allclose(weight, 1, atol=0.2)


@pytest.mark.parametrize(("mode", "k", "slots"), [("cross", 6, 2), ("inside", 4, 4)])
def test_the_deployed_scheme_mixes_one_moved_copy_per_image_and_epoch(mode: str, k: int, slots: int) -> None:
    release = encode("instahide-deployed", mode=mode, epochs=6)
    p = provenance(release)
    assert p.coefficients is not None and p.masks is not None and release.labels is not None
    assert p.sources.shape == (240, slots) and (p.public_sources is None) == (k == slots)
    low, high = release.image_range
    # black and white of the channel that lies lowest, and of the one that lies highest
    assert low == pytest.approx((0 - 0.4914) / 0.2023, abs=1e-5) and high == pytest.approx(0.5535 / 0.2010, abs=1e-5)
    mean, deviation = np.array([0.4914, 0.4822, 0.4465], np.float32), np.array([0.2023, 0.1994, 0.2010], np.float32)
    left = release.encodings * p.masks
    if p.public_sources is not None:
        assert p.public_coefficients is not None
        theirs = (PUBLIC - np.array([0.485, 0.456, 0.406], np.float32)) / np.array([0.229, 0.224, 0.225], np.float32)
        left -= np.einsum("es,eshwc->ehwc", p.public_coefficients, theirs[p.public_sources])
    padded = np.pad(IMAGES, ((0, 0), (4, 4), (4, 4), (0, 0)))
    crops = np.stack([padded[:, a : a + 16, b : b + 16] for a in range(9) for b in range(9)])
    crops = np.concatenate([crops, crops[:, :, :, ::-1]])
    # Epoch by epoch: the copies that least squares finds are crops of the images, mirrored or not.
    for epoch in range(6):
        rows = slice(40 * epoch, 40 * epoch + 40)
        mixing = np.zeros((40, 40))
        for s in range(slots):
            np.add.at(mixing, (np.arange(40), p.sources[rows, s]), p.coefficients[rows, s])
        solved = np.linalg.lstsq(mixing, left[rows].reshape(40, -1), rcond=None)[0].reshape(IMAGES.shape)
        well = np.linalg.matrix_rank(mixing, tol=1e-2) == 40
        if not well:
            continue
        off = np.abs(crops - (solved * deviation + mean)).max((2, 3, 4)).min(0)
        assert off.max() < 1e-2
    np.testing.assert_allclose(release.labels.sum(1), p.coefficients.sum(1), atol=1e-5)
    with pytest.raises(UsageError, match="padding must lie"):
        encode("instahide-deployed", padding=-1)


def test_the_eps_augmented_scheme_turns_images_and_orders_its_coefficients() -> None:
    smooth = np.zeros((6, 32, 32, 3), np.float32)
    y, x = np.meshgrid(np.arange(32), np.arange(32), indexing="ij")
    for i in range(6):  # flat areas, as eps-augmentation asks for exactly equal colours
        smooth[i] = np.round(np.sin((y + 3 * i) / 9) * np.cos(x / 8) * 3)[..., None] / 8 + 0.5
    sets = {"epochs": "20", "eps": "0.2"}
    with SchemeProcess(locate("instahide-fdn"), sets, public=PUBLIC[:, :, :].repeat(2, 1).repeat(2, 2)) as process:
        release = process.encode(smooth, np.arange(6) % 2, seed=1)
        assert process.card.augmentation is not None and process.card.augmentation.rotation > 10
    p = provenance(release)
    assert p.coefficients is not None and p.public_coefficients is not None and p.masks is not None
    weights = np.concatenate([p.coefficients, p.public_coefficients], 1)
    assert (np.diff(weights, axis=1) <= 0).all() and weights[:, 0].max() < 0.65 and weights[:, :2].sum(1).min() > 0.3
    np.testing.assert_allclose(weights.sum(1), 1, atol=1e-5)
    assert (np.bincount(p.sources[:, 0]) == 20).all() and (np.bincount(p.sources[:, 1]) == 20).all()
    # the first copy of an image is the image itself
    theirs = 2 * PUBLIC.repeat(2, 1).repeat(2, 2) - 1
    left = release.encodings * p.masks - np.einsum("es,eshwc->ehwc", p.public_coefficients, theirs[p.public_sources])
    both = np.flatnonzero(p.sources[:, 1] % 20 == 0)
    assert len(both) and np.isfinite(left).all()


def test_flip_mirrors_about_half() -> None:
    x = IMAGES[:8]
    sets = {"k": "1", "private_per_encoding": "1", "flip": "yes"}
    with SchemeProcess(locate("instahide"), sets) as process:
        release = process.encode(x, np.arange(8) % 2, seed=1)
    p = provenance(release)
    seen = (release.encodings * p.masks + 1) / 2
    same = np.abs(seen - x[p.sources[:, 0]]).max((1, 2, 3)) < 1e-5
    turned = np.abs(seen - x[p.sources[:, 0]][:, :, ::-1]).max((1, 2, 3)) < 1e-5
    assert (same | turned).all() and 0.4 < turned.mean() < 0.6


def test_mixup_is_the_stated_mixture() -> None:
    release = encode("mixup", k=3, epochs=5)
    p = provenance(release)
    assert p.coefficients is not None and p.coefficients.max() <= 0.8
    np.testing.assert_allclose(
        release.encodings, np.einsum("es,eshwc->ehwc", p.coefficients, IMAGES[p.sources]), atol=1e-5
    )
    assert (np.bincount(p.sources.ravel(), minlength=40) == 15).all()


def test_null_schemes_do_not_depend_on_the_images() -> None:
    for name in ("noise", "constant", "label-only"):
        with SchemeProcess(locate(name)) as process:
            a, b = process.encode_many([(IMAGES, LABELS, 3), (1 - IMAGES, LABELS, 3)])
        np.testing.assert_array_equal(a.encodings, b.encodings)


def test_reused_pad_is_uniform_and_broken() -> None:
    release = encode("reused-pad")
    assert stats.kstest(release.encodings[:, ::5, ::5, 0].ravel(), "uniform").pvalue > 1e-4
    difference = (release.encodings[3] - release.encodings[9]) % 1
    np.testing.assert_allclose(difference, (IMAGES[3] - IMAGES[9]) % 1, atol=1e-5)


def test_gaussian_noise_has_the_stated_sigma_and_claims_its_epsilon() -> None:
    with SchemeProcess(locate("gaussian"), {"epsilon": "4", "delta": "1e-6", "clip": "5"}) as process:
        card, release = process.card, process.encode(IMAGES, LABELS, seed=1)
    assert card.mechanism == "gaussian" and card.claims[0].bound == 4.0 and card.claims[0].delta == 1e-6
    centred = IMAGES.reshape(40, -1) - 0.5
    norms = np.linalg.norm(centred, axis=1, keepdims=True)
    clipped = centred * np.minimum(1, 5 / norms)
    noise = release.encodings.reshape(40, -1) - 0.5 - clipped
    sigma = Gaussian(4.0, 1e-6, 5.0).sigma
    assert sigma == pytest.approx(gaussian_sigma(4.0, 1e-6, 10.0))
    assert noise.std() == pytest.approx(sigma, rel=5 / np.sqrt(2 * noise.size))
    assert release.labels is None


@pytest.mark.parametrize(
    ("name", "sets", "error", "message"),
    [
        ("instahide", {"K": "4"}, UsageError, "no parameter 'K'; did you mean 'k'"),
        ("instahide", {"k": "four"}, UsageError, "expected a whole number, got 'four'"),
        ("instahide", {"rng": "numpi"}, UsageError, "one of secure, numpy, torch; did you mean 'numpy'"),
        ("instahide", {"k": "0"}, UsageError, "k and epochs must be at least 1"),
        ("instahide", {"augment": "2"}, UsageError, "augment must lie"),
        ("instahide", {"rotate": "200"}, UsageError, "rotate must lie"),
        ("instahide-fdn", {"eps": "0.7"}, UsageError, "eps must lie"),
        ("instahide-deployed", {"augment": "0.1"}, UsageError, "belong to instahide"),
        ("instahide", {"rng_seed": "-1"}, UsageError, "rng_seed must lie"),
        ("identity", {"k": "2"}, UsageError, "it has no parameters"),
        ("instahide", {"k": "200"}, SchemeError, "widen the bounds"),
    ],
)
def test_wrong_parameters_are_one_sentence(
    name: str, sets: dict[str, str], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message), SchemeProcess(locate(name), sets, public=PUBLIC) as process:
        process.encode(IMAGES, LABELS, seed=1)


def test_instahide_without_public_images_says_so() -> None:
    with SchemeProcess(locate("instahide")) as process, pytest.raises(SchemeError, match="give some with --public"):
        process.encode(IMAGES, LABELS, seed=1)


@pytest.mark.parametrize(
    ("name", "undo"),
    [
        ("pixel-permutation", lambda x, e: np.sort(x.reshape(40, -1, 3), 1) == np.sort(e.reshape(40, -1, 3), 1)),
        ("etc", lambda x, e: np.isclose(np.sort(np.abs(x - 0.5).ravel()), np.sort(np.abs(e - 0.5).ravel()), atol=1e-6)),
        ("block-scramble", lambda x, e: np.sort(x.reshape(40, -1, 3), 1) == np.sort(e.reshape(40, -1, 3), 1)),
        ("pixel-encryption", lambda x, e: np.isclose(folded(x), folded(e), atol=1e-6)),
        ("shuffled-values", lambda x, e: np.sort(x.reshape(40, -1), 1) == np.sort(e, 1)),
        ("visual-mixer", lambda x, e: np.sort(x.reshape(40, -1), 1) == np.sort(e.reshape(40, -1), 1)),
    ],
)
def test_scrambling_loses_no_value(name: str, undo: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> None:
    e = encode(name).encodings
    assert undo(IMAGES, e).all() and not np.allclose(IMAGES, e.reshape(IMAGES.shape))


def folded(x: np.ndarray) -> np.ndarray:
    """Values of each pixel folded at one half, in order of size: what negation and channel order leave alone."""
    out: np.ndarray = np.sort(np.abs(x - 0.5), axis=3)
    return out


def test_learnable_encryption_permutes_halves_of_bytes() -> None:
    e = np.rint(encode("learnable-encryption").encodings * 255).astype(int)
    x = np.rint(IMAGES * 255).astype(int)
    halves = [np.minimum(h, 15 - h) for v in (x, e) for h in (v >> 4, v & 15)]
    for plain, cipher in (([halves[0], halves[1]], [halves[2], halves[3]]),):
        blocks = [
            np.concatenate([h.reshape(40, 4, 4, 4, 4, 3).swapaxes(2, 3).reshape(40, 16, -1) for h in part], 2)
            for part in (plain, cipher)
        ]
        np.testing.assert_array_equal(np.sort(blocks[0], 2), np.sort(blocks[1], 2))


def test_shapes_that_are_not_images() -> None:
    assert encode("random-projection").encodings.shape == (40, 384)
    assert encode("neuracrypt").encodings.shape == (40, 16, 128)
    assert encode("smashed-data").encodings.shape == (40, 8, 8, 16)
    assert encode("hidden-mixing").encodings.shape == (400, 768)


def test_a_cipher_is_uniform_whatever_the_image_and_no_keystream_comes_twice() -> None:
    with SchemeProcess(locate("cipher")) as process:
        a, white = process.encode_many([(IMAGES, LABELS, 3), (np.ones_like(IMAGES), LABELS, 3)])
    values = np.rint(white.encodings * 255).astype(int)
    counts = np.bincount(values.ravel(), minlength=256)
    assert stats.chisquare(counts).pvalue > 1e-4
    assert len(np.unique(values.reshape(40, -1), axis=0)) == 40  # one image under forty keystreams
    stream = (np.rint(a.encodings * 255) - np.rint(IMAGES * 255)).astype(int) % 256
    np.testing.assert_array_equal(stream, (values - 255) % 256)
    assert a.labels is None


def test_our_figures_are_of_reference_schemes_and_say_where_they_stand() -> None:
    figures = json.loads((SCHEMES / "figures.json").read_text(encoding="utf-8"))["figures"]
    assert set(figures) <= set(reference_names())
    for figure in figures.values():
        assert set(figure) == {"figure", "where"} and figure["where"].startswith("reports/")


def test_the_key_is_of_the_scope_that_parameters_give_it() -> None:
    for fresh, scope in (("false", "release"), ("true", "image")):
        with SchemeProcess(locate("pixel-encryption"), {"fresh": fresh}) as process:
            assert process.card.key == scope


def test_dp_pix_adds_the_noise_it_states() -> None:
    e = encode("pixelation", epsilon=0.5, m=4).encodings[:, ::4, ::4]
    plain = encode("pixelation").encodings[:, ::4, ::4]
    inside = (e > 0) & (e < 1)
    scale = 4 / (16 * 0.5)
    assert not inside.all() and np.abs(e - plain)[inside].mean() < scale
