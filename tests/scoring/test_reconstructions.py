"""Scoring: right for what was recovered, deaf to what was not, whatever an attack or a scheme does to look better or
worse."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from skimage.metrics import structural_similarity

from ihaudit.contracts.attack import AttackOutput
from ihaudit.contracts.context import Context
from ihaudit.figures import number
from ihaudit.metrics import l2, ssim
from ihaudit.metrics.challenge import challenge_scores
from ihaudit.metrics.poses import Poses
from ihaudit.release import Provenance, Release, Truth
from ihaudit.results import StageRecord
from ihaudit.scheme import Augmentation
from ihaudit.scoring.answers import answers
from ihaudit.scoring.encodings import sample_encodings
from ihaudit.scoring.reconstructions import ScoredAttack, gallery_arrays, score_attack
from tests.attacks.releases import photographs
from tests.estimates import measured
from tests.pictures import lookalikes, pictures

N = 60
X = pictures(2 * N)
PRIVATE, DECOYS = X[:N], X[N:]


def mixed(epochs: int = 4, seed: int = 0) -> tuple[Release, Truth, np.ndarray]:
    """A mixup-like release of pairs with full provenance, and the attack output that knows it all."""
    rng = np.random.default_rng(seed)
    sources = np.concatenate([np.stack([rng.permutation(N), rng.permutation(N)], 1) for _ in range(epochs)])
    lam = rng.uniform(0.55, 0.8, len(sources))
    coefficients = np.stack([lam, 1 - lam], 1)
    encodings = np.einsum("es,eshwc->ehwc", coefficients, PRIVATE[sources]).astype(np.float32)
    masks = rng.choice(np.array([-1, 1], np.int8), encodings.shape)
    mixture = 2 * encodings - 1
    provenance = Provenance(sources, coefficients, masks)
    release = Release(mixture * masks, None, (-1.0, 1.0))
    return release, Truth(PRIVATE, np.zeros(N, np.int64), provenance), mixture


RELEASE, TRUTH, MIXTURE = mixed()
assert TRUTH.provenance is not None and TRUTH.provenance.coefficients is not None
SOURCES, COEFFICIENTS = TRUTH.provenance.sources, TRUTH.provenance.coefficients
BARE = Truth(PRIVATE, np.zeros(N, np.int64))


def score(images: np.ndarray, truth: Truth = BARE, **fields: Any) -> ScoredAttack:
    return score_attack(AttackOutput(np.asarray(images), **fields), truth, RELEASE, decoys=DECOYS)


def consistent(scored: ScoredAttack) -> None:
    for name, e in scored.metrics.items():
        if e.value is not None and e.low is not None and e.high is not None:
            assert e.low <= e.value + 1e-12, name
            assert e.value <= e.high + 1e-12, name


@pytest.mark.parametrize("truth", [BARE, TRUTH], ids=["assignment", "provenance"])
def test_the_images_themselves_score_one_in_any_order(truth: Truth) -> None:
    order = np.random.default_rng(0).permutation(N)
    where = np.argsort(order)
    members = where[SOURCES] if truth is TRUTH else None
    s = score(PRIVATE[order], truth, members=members, coefficients=COEFFICIENTS)
    consistent(s)
    for name in ("ssim", "ssim_median", "ssim_q90", "ssim_best", "ssim_worst", "ssim_challenge", "reid"):
        assert s.metrics[name].value == pytest.approx(1), name
    assert s.metrics["l2"].value == 0
    assert s.details["pairing"] == ("provenance" if truth is TRUTH else "assignment")
    assert np.array_equal(s.arrays["candidate"], where)
    assert s.arrays["reconstruction"].dtype == np.uint8
    assert np.abs(s.arrays["reconstruction"] / 255 - PRIVATE).max() <= 0.5 / 255 + 1e-6


def test_figures_are_those_of_scikit_image() -> None:
    guess = np.clip(0.7 * PRIVATE + 0.3 * DECOYS, 0, 1)
    s = score(guess)
    pinned = [
        structural_similarity(
            a, b, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=1, channel_axis=-1
        )
        for a, b in zip(guess.astype(float), PRIVATE.astype(float))
    ]
    assert s.arrays["ssim"] == pytest.approx(pinned, abs=1e-6)
    assert s.metrics["ssim"].value == pytest.approx(np.mean(pinned))
    assert s.metrics["l2"].value == pytest.approx(l2(guess, PRIVATE).mean())


@pytest.mark.parametrize("make", [pictures, lookalikes])
@pytest.mark.parametrize("factor", [1, 50])
def test_noise_gains_nothing_by_quantity(make: Callable[[int], np.ndarray], factor: int) -> None:
    x = make(2 * N)
    truth = Truth(x[:N], np.zeros(N, np.int64))
    noise = np.random.default_rng(1).random((factor * N, 32, 32, 3)).astype(np.float32)
    s = score_attack(AttackOutput(noise), truth, RELEASE, decoys=x[N:])
    assert s.details["candidates_scored"] == N
    assert abs(measured(s.metrics["ssim_q90"]).value - measured(s.metrics["ssim_q90_chance"]).value) < 0.03
    assert measured(s.metrics["ssim_q90"]).value < 0.15
    assert measured(s.metrics["reid_above_chance"]).low < 0.05


def test_other_pictures_gain_nothing_by_quantity() -> None:
    once, often = score(pictures(N, 7)), score(pictures(50 * N, 7))
    for name in ("ssim", "ssim_q90"):
        assert measured(often.metrics[name]).value < measured(once.metrics[name]).value + 0.05
        assert (
            abs(
                measured(often.metrics[name]).value
                - measured(often.metrics[name.replace("ssim", "ssim", 1) + "_chance"]).value
            )
            < 0.1
        )
    assert measured(often.metrics["reid_above_chance"]).low < 0.05


def test_of_too_many_candidates_the_attacks_own_choice_counts() -> None:
    noise = np.random.default_rng(2).random((3 * N, 32, 32, 3)).astype(np.float32)
    images = np.concatenate([noise, PRIVATE])
    sure = np.r_[np.zeros(3 * N), np.ones(N)].astype(np.float32)
    assert score(images, confidence=sure).metrics["ssim"].value == pytest.approx(1)
    assert measured(score(images, confidence=1 - sure).metrics["ssim"]).value < 0.2
    assert measured(score(images).metrics["ssim"]).value < 0.2


def test_one_answer_per_encoding_is_not_scored_on_copies() -> None:
    copies = np.tile(PRIVATE, (3, 1, 1, 1))
    order = np.random.default_rng(3).permutation(3 * N)
    assert score(copies[order]).metrics["ssim"].value == pytest.approx(1)


def test_one_candidate_serves_one_image_but_a_baseline_serves_all() -> None:
    mean = PRIVATE.mean(axis=0, keepdims=True)
    s = score(mean)
    assert s.details["matched"] == 1
    # The others were not recovered, and no picture is invented for them.
    rest = np.arange(N) != np.flatnonzero(s.arrays["candidate"] == 0)[0]
    assert not s.arrays["ssim"][rest].any()
    broad = score_attack(AttackOutput(mean), BARE, RELEASE, decoys=DECOYS, reuse=True)
    assert broad.arrays["ssim"] == pytest.approx(ssim(np.repeat(mean, N, 0), PRIVATE), abs=1e-6)


def test_images_without_an_answer_count_as_not_recovered() -> None:
    """Twelve perfect answers are twelve images recovered, whatever grey would have scored on the other forty-eight."""
    s = score(PRIVATE[:12])
    consistent(s)
    assert (s.metrics["answered"].value, s.metrics["answered"].n) == (12 / N, N)
    assert s.metrics["ssim"].value == pytest.approx(12 / N)
    assert s.metrics["ssim_q90"].value == pytest.approx(1)  # more than a tenth were recovered
    assert measured(score(PRIVATE[:5]).metrics["ssim_q90"]).value == 0  # fewer were
    # Metrics without a worst value say how many images they are about.
    assert (s.metrics["l2"].value, s.metrics["l2"].n) == (0, 12)
    assert np.isnan(s.arrays["psnr"]).sum() == N - 12


def test_the_same_rule_holds_for_decoys_and_a_baseline_answers_everything() -> None:
    assert (score(PRIVATE[:12]).arrays["ssim_decoy"] == 0).sum() == N - 12
    assert "answered" not in score_attack(AttackOutput(PRIVATE[:1]), BARE, RELEASE, reuse=True).metrics


def test_negatives_and_contrast_are_not_fixed_by_the_truth() -> None:
    assert measured(score(1 - PRIVATE).metrics["ssim"]).value < 0.3
    assert measured(score(0.5 + 0.2 * (PRIVATE - 0.5)).metrics["ssim"]).value < 0.95


def test_no_candidates_at_all() -> None:
    s = score(np.zeros((0, 32, 32, 3)))
    assert s.details["pairing"] == "none"
    assert s.metrics["reid"].value == 0
    assert s.metrics["ssim"].value == s.metrics["ssim_best"].value == s.metrics["answered"].value == 0
    assert s.metrics["psnr"].value is None


def test_an_attack_on_a_secret_has_no_scores_of_images() -> None:
    none = np.zeros((0, 32, 32, 3))
    assert score(none, broke=False).metrics == {}
    assert set(score(none, TRUTH, broke=True, unmasked=MIXTURE).metrics) == {
        "unmask_sign_accuracy",
        "unmask_ssim",
        "unmask_psnr",
    }
    assert score(PRIVATE, broke=True).metrics["ssim"].value == pytest.approx(1)


def test_broken_candidates_are_dropped_and_counted() -> None:
    images = PRIVATE.copy()
    images[3, 0, 0, 0] = np.nan
    s = score(images + 0.0)
    assert s.details["candidates_not_finite"] == 1
    assert s.arrays["candidate"][3] == -1
    assert s.metrics["ssim_median"].value == pytest.approx(1)
    with pytest.raises(ValueError, match=r"\(16, 16, 3\).*\(32, 32, 3\)"):
        score(np.zeros((4, 16, 16, 3)))
    assert score(PRIVATE * 3 - 1).arrays["reconstruction"].max() == 255


def test_a_false_provenance_does_not_hide_a_recovery() -> None:
    wrong = np.random.default_rng(4).permutation(N)
    lie = Provenance(wrong[SOURCES], COEFFICIENTS)
    s = score(PRIVATE, Truth(PRIVATE, BARE.labels, lie), members=SOURCES)
    assert s.details["pairing"] == "assignment"
    assert "stated provenance" in s.details["pairing_note"]
    assert s.metrics["ssim"].value == pytest.approx(1)


def test_provenance_pairs_noise_without_looking() -> None:
    noise = np.random.default_rng(5).random((N, 32, 32, 3)).astype(np.float32)
    s = score(noise, TRUTH, members=SOURCES, coefficients=COEFFICIENTS)
    assert s.details["pairing"] == "provenance"
    assert np.array_equal(s.arrays["candidate"], np.arange(N))
    assert s.metrics["reid_chance"].value == pytest.approx(1 / (2 * N))


def test_stage_quality() -> None:
    records = [StageRecord(name="assignment", variant="x"), StageRecord(name="other", variant="y")]
    full = score(PRIVATE, TRUTH, members=SOURCES, coefficients=COEFFICIENTS + 0.1)
    twice = SOURCES[:, 0] == SOURCES[:, 1]  # mixed with itself: both errors add up
    assert full.quality["assignment"] == {"assignment_accuracy": 1, "encodings_exact": 1, "purity": 1}
    assert full.quality["coefficients"]["lambda_error"] == pytest.approx(
        (0.1 * 2 * (~twice).sum() + 0.2 * 4 * twice.sum()) / (2 * (~twice).sum() + 4 * twice.sum())
    )
    done = full.stages(records)
    assert done[0].quality["encodings_exact"] == 1
    assert done[1].quality == {}
    # Half of the second members wrong: three quarters of memberships found, half of the pairs right.
    members = SOURCES.copy()
    members[::2, 1] = (members[::2, 1] + 1) % N
    clash = members[::2, 1] == members[::2, 0]
    members[::2, 1][clash] = -1
    half = score(PRIVATE, TRUTH, members=members, coefficients=COEFFICIENTS).quality["assignment"]
    assert half["assignment_accuracy"] == pytest.approx(0.75, abs=0.02)
    assert half["encodings_exact"] == pytest.approx(0.5, abs=0.02)
    assert half["purity"] == pytest.approx(0.75, abs=0.02)


def test_the_challenges_metrics_against_a_plain_loop() -> None:
    rng = np.random.default_rng(6)
    images = np.clip(0.8 * PRIVATE + 0.2 * DECOYS, 0, 1)
    sources = SOURCES[:40].copy()
    sources[5, 1] = -1
    sources[6] = -1
    answer = np.where(rng.random(40) < 0.2, -1, sources[:, 0])
    answer[5:7] = 3
    got = challenge_scores(images, answer, PRIVATE, sources)
    high, mean, low, square = [], [], [], []
    for e in range(40):
        held = [i for i in sources[e] if i >= 0]
        if not held:
            continue
        guess = images[answer[e]] if answer[e] >= 0 else np.full((32, 32, 3), 0.5)
        s = [
            structural_similarity(2.0 * guess - 1, 2.0 * PRIVATE[i].astype(float) - 1, data_range=2, channel_axis=-1)
            for i in held
        ]
        d = [np.mean((2.0 * guess - 2.0 * PRIVATE[i]) ** 2) for i in held]
        high.append(max(s))
        mean.append(np.mean(s))
        low.append(min(d))
        square.append(np.mean(d))
    assert got["max_ssim"].value == pytest.approx(np.mean(high), abs=1e-6)
    assert got["mean_ssim"].value == pytest.approx(np.mean(mean), abs=1e-6)
    assert got["min_l2"].value == pytest.approx(np.mean(low), abs=1e-6)
    assert got["mean_l2"].value == pytest.approx(np.mean(square), abs=1e-6)
    assert got["max_ssim"].n == 39
    nothing = challenge_scores(images, np.array([0]), PRIVATE, np.array([[-1, -1]]))
    assert nothing["max_ssim"].value is None


def test_an_attacks_answer_for_an_encoding() -> None:
    members = np.array([[3, 1], [2, -1], [-1, -1]])
    lam = np.array([[0.2, 0.6], [0.5, 0.9], [0.1, 0.1]])
    images = np.zeros((4, 8, 8, 1))
    assert answers(AttackOutput(images, members, lam)).tolist() == [1, 2, -1]
    assert answers(AttackOutput(images, members, confidence=np.array([0, 0.1, 0.2, 0.9]))).tolist() == [3, 2, -1]
    assert answers(AttackOutput(images, members)).tolist() == [3, 2, -1]


def test_the_images_themselves_on_the_challenges_metrics() -> None:
    s = score(PRIVATE, TRUTH, members=SOURCES, coefficients=COEFFICIENTS)
    assert s.metrics["max_ssim"].value == pytest.approx(1)
    assert s.metrics["min_l2"].value == 0
    assert 0.4 < measured(s.metrics["mean_ssim"]).value < 0.7


def test_unmasked_encodings() -> None:
    right = score(PRIVATE, TRUTH, unmasked=MIXTURE).metrics
    assert right["unmask_sign_accuracy"].value == pytest.approx(1)
    assert right["unmask_ssim"].value == pytest.approx(1)
    still = score(PRIVATE, TRUTH, unmasked=RELEASE.encodings).metrics
    assert still["unmask_sign_accuracy"].value == pytest.approx(0.5, abs=0.02)
    assert measured(still["unmask_ssim"]).value < 0.2
    assert "unmask_ssim" not in score(PRIVATE, BARE, unmasked=MIXTURE).metrics


def test_gallery() -> None:
    out = gallery_arrays(RELEASE, TRUTH)
    assert out["private/images"].shape == PRIVATE.shape
    assert out["private/images"].dtype == np.uint8
    index = out["release/index"]
    for image in range(N):
        held = np.equal(SOURCES, image)
        best = np.unravel_index(np.where(held, COEFFICIENTS, -1).argmax(), held.shape)[0]
        assert index[image] == best
    assert np.array_equal(out["release/encodings"], RELEASE.encodings[index])
    assert np.array_equal(gallery_arrays(RELEASE, BARE)["release/index"], np.full(N, -1))
    assert gallery_arrays(Release(np.zeros((5, 7))), BARE)["release/encodings"].shape == (N, 7)
    assert "release/encodings" not in gallery_arrays(Release(np.zeros((2, 1 << 18))), BARE)
    assert sample_encodings(BARE, np.array([[2, 0], [1, -1]]), np.r_[0, 1, 2, np.full(N - 3, -1)])[:4].tolist() == [
        0,
        1,
        0,
        -1,
    ]


def test_same_seed_same_scores() -> None:
    guess = np.clip(0.6 * PRIVATE + 0.4 * DECOYS, 0, 1)
    a, b = (score_attack(AttackOutput(guess), BARE, RELEASE, decoys=DECOYS, context=Context(seed=5)) for _ in range(2))
    assert a.metrics == b.metrics
    assert all(np.array_equal(a.arrays[k], b.arrays[k], equal_nan=True) for k in a.arrays)


def test_confidence_follows_its_candidate() -> None:
    order = np.random.default_rng(0).permutation(N)
    sure = np.linspace(0, 1, N).astype(np.float32)
    s = score(PRIVATE[order], confidence=sure)
    assert np.allclose(s.arrays["confidence"], sure[np.argsort(order)])


def test_grey_images_and_no_decoys() -> None:
    grey = PRIVATE.mean(axis=3, keepdims=True)
    s = score_attack(AttackOutput(grey), Truth(grey, BARE.labels), RELEASE)
    assert s.metrics["ssim"].value == pytest.approx(1)
    assert "ssim_chance" not in s.metrics
    assert s.metrics["reid"].value == 1


def test_a_hundred_images_take_about_a_second() -> None:
    x = pictures(200)
    truth = Truth(x[:100], np.zeros(100, np.int64))
    guess = AttackOutput(np.clip(x[:100] + 0.05, 0, 1))
    score_attack(guess, truth, RELEASE, decoys=x[100:])
    before = time.process_time()
    score_attack(guess, truth, RELEASE, decoys=x[100:])
    assert time.process_time() - before < 3


def test_a_stated_mirror_image_is_scored_as_the_picture() -> None:
    plain, stated = score(PRIVATE[:, :, ::-1]), score(PRIVATE[:, :, ::-1], ambiguity=("mirror",))
    consistent(stated)
    assert measured(plain.metrics["ssim"]).value < 0.3
    for name in ("ssim", "ssim_aligned", "ssim_q90", "reid"):
        assert stated.metrics[name].value == pytest.approx(1), name
    assert stated.metrics["ssim_as_answered"].value == plain.metrics["ssim"].value
    assert stated.details["scored"] == "mirrored" and stated.details["ways"] == 2
    assert "ssim_aligned" not in plain.metrics


def test_one_way_for_all_pictures() -> None:
    """Half of them mirrored cannot all be put right."""
    half = np.concatenate([PRIVATE[: N // 2], PRIVATE[N // 2 :, :, ::-1]])
    s = score(half, ambiguity=("mirror",))
    assert measured(s.metrics["ssim_aligned"]).value < 0.7


@pytest.mark.parametrize("make", [pictures, lookalikes])
def test_many_ways_gain_nothing_over_decoys(make: Callable[[int], np.ndarray]) -> None:
    x, other = make(2 * N), make(3 * N)[2 * N :]
    s = score_attack(
        AttackOutput(other, ambiguity=("turn", "negative")), Truth(x[:N], BARE.labels), RELEASE, decoys=x[N:]
    )
    assert s.details["ways"] == 16
    assert abs(measured(s.metrics["ssim"]).value - measured(s.metrics["ssim_chance"]).value) < 0.03
    assert measured(s.metrics["reid_above_chance"]).low < 0.05


MOVING = Augmentation(shift=2, mirror=True)


def moved_anew(images: np.ndarray, seed: int = 0) -> np.ndarray:
    """Each image mirrored or not, and shifted by up to two pixels, the border repeated."""
    rng = np.random.default_rng(seed)
    out = []
    for x in images:
        y, r = rng.integers(0, 5, 2)
        x = np.pad(x[:, ::-1] if rng.random() < 0.5 else x, ((2, 2), (2, 2), (0, 0)), mode="edge")
        out.append(x[y : y + images.shape[1], r : r + images.shape[2]])
    return np.stack(out)


@pytest.mark.parametrize("stated_by", ["scheme", "attack"])
def test_each_picture_counts_in_the_pose_that_suits_it(stated_by: str) -> None:
    answer = moved_anew(PRIVATE)
    fields: dict[str, Any] = {"augmentation": MOVING} if stated_by == "attack" else {}
    s = score_attack(
        AttackOutput(answer, **fields),
        BARE,
        RELEASE,
        decoys=DECOYS,
        augmentation=MOVING if stated_by == "scheme" else None,
    )
    consistent(s)
    plain = score(answer)
    # what was shifted out of the picture is lost
    assert measured(s.metrics["ssim"]).value > 0.9 and measured(s.metrics["reid"]).value > 0.95
    assert s.metrics["ssim_aligned"].value == s.metrics["ssim"].value
    assert measured(s.metrics["ssim_as_answered"]).value < 0.6 and measured(plain.metrics["ssim"]).value < 0.6
    assert s.details["images_may_be"] == "mirrored, shifted by up to 2 pixels" and s.details["poses"] == 50


@pytest.mark.parametrize("make", [pictures, lookalikes])
def test_the_best_pose_of_each_gains_nothing_over_decoys(make: Callable[[int], np.ndarray]) -> None:
    x, other = make(2 * N), make(3 * N)[2 * N :]
    truth = Truth(x[:N], BARE.labels)
    s = score_attack(AttackOutput(other), truth, RELEASE, decoys=x[N:], augmentation=MOVING)
    assert abs(measured(s.metrics["ssim"]).value - measured(s.metrics["ssim_chance"]).value) < 0.03
    assert measured(s.metrics["reid_above_chance"]).value < 0.15
    base = score_attack(AttackOutput(other[:1]), truth, RELEASE, decoys=x[N:], reuse=True, augmentation=MOVING)
    assert base.metrics["ssim"].value is not None


def test_poses_turn_and_move_as_they_say() -> None:
    x = pictures(3)
    poses = Poses(Augmentation(shift=1, mirror=True, rotation=6), x.shape[1:])
    assert len(poses) == 2 * 5 * 9 and poses.all[0] == (False, 0.0, 0, 0)
    np.testing.assert_array_equal(poses.move(x, 0), x)
    fitted = poses.fit(poses.each(x, np.array([0, 7, 50])), x)
    assert (np.diag(fitted.similarity) > 0.75).all() and (fitted.similarity.argmax(0) == np.arange(3)).all()


def test_copies_of_one_picture_are_recovered_together() -> None:
    """Four pictures, twelve times each, answered once each: all 48 images are recovered, and the copies are named."""
    pictures = photographs(4)[0]
    private = np.tile(pictures, (12, 1, 1, 1)) + np.linspace(0, 0.01, 48, dtype=np.float32)[:, None, None, None]
    truth = Truth(np.clip(private, 0, 1), np.arange(48) % 4)
    release = Release(private)
    decoys = photographs(48, 9)[0]
    scored = score_attack(AttackOutput(pictures), truth, release, decoys=decoys)
    assert scored.metrics["ssim"].value is not None and scored.metrics["ssim"].value > 0.95
    assert scored.details["twins"] == 48 and len(scored.details["twin_sets"]) == 4
    assert "48 of 48 private images are copies of 4 pictures" in scored.details["flags"][0]
    # both counts: the pictures, and what is left where every copy asks for an answer of its own
    assert scored.details["pictures"] == 4
    assert 0 < scored.details["ssim_each_its_own"] < 4.01 / 48
    assert f"{number(scored.details['ssim_each_its_own'])}" in scored.details["flags"][0]
    often = score_attack(AttackOutput(np.repeat(pictures[:1], 48, 0)), truth, release, decoys=decoys)
    assert often.metrics["ssim"].value is not None and often.metrics["ssim"].value < 0.5  # one picture, however often
    other = score_attack(AttackOutput(photographs(4, 77)[0]), truth, release, decoys=decoys)
    assert other.metrics["ssim"].value is not None and other.metrics["ssim"].value < 0.4
    apart = Truth(photographs(12)[0], np.arange(12) % 4)
    assert "twins" not in score_attack(AttackOutput(apart.images), apart, Release(apart.images)).details


def test_noise_beside_copies_of_few_pictures_identifies_none() -> None:
    """Which of the copies' candidates shows a picture best is chosen by pixels; identification must not be."""
    private = np.repeat(photographs(4)[0], 12, 0)
    truth = Truth(private, np.arange(48) % 4, Provenance(np.arange(48)[:, None]))
    members = np.arange(48)[:, None]
    for seed in range(3):
        noise = np.random.default_rng(seed).random(private.shape).astype(np.float32)
        found = score_attack(AttackOutput(noise, members=members), truth, Release(noise))
        assert found.details["pairing"] == "provenance"
        assert measured(found.metrics["reid_above_chance"]).low <= 0.05
    right = score_attack(AttackOutput(private, members=members), truth, Release(private))
    assert measured(right.metrics["reid_above_chance"]).low > 0.6


def test_a_copy_without_a_candidate_is_identified_by_that_of_its_picture() -> None:
    """Four pictures, twice each, of which the record gives an answer to one of either copy alone."""
    private = np.repeat(photographs(4)[0], 2, 0)
    truth = Truth(private, np.arange(8) % 4, Provenance(np.arange(8)[:, None]))
    members = np.where(np.arange(8) % 2 == 0, np.arange(8) // 2, -1)[:, None]
    found = score_attack(AttackOutput(private[::2], members=members), truth, Release(private))
    assert found.details["pairing"] == "provenance"
    assert found.arrays["reid"].all() and (found.arrays["candidate"] == np.arange(8) // 2).all()
