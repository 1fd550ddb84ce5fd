"""`match`: who is who under fresh keys, encodings of any shape, and nothing where there is nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ihaudit.attacks.match import Match
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import Pairs, View
from ihaudit.errors import NotApplicable
from ihaudit.release import Release, Truth
from ihaudit.results import Finding
from ihaudit.scheme import Claim, Knowledge
from ihaudit.schemes.constant import Constant
from ihaudit.schemes.etc import EncryptionThenCompression
from ihaudit.schemes.identity import Identity
from ihaudit.schemes.label_only import LabelOnly
from ihaudit.schemes.learnable_encryption import LearnableEncryption
from ihaudit.schemes.mixup import MixUp
from ihaudit.schemes.neuracrypt import NeuraCrypt
from ihaudit.schemes.pixel_permutation import PixelPermutation
from ihaudit.schemes.random_projection import RandomProjection
from ihaudit.scoring.matches import Candidates, ScoredMatches, score_matches
from ihaudit.verdict.gates import attack_status
from tests.estimates import measured
from tests.games.inprocess import Custom, InProcess, own, population

N = 30


def case(scheme: Any, seed: int = 1, n: int = N, images: np.ndarray | None = None, pairs: int = 0) -> tuple[Any, ...]:
    """A view of a release of n images among as many decoys, and what it is judged by."""
    everything, labels, public = population("embedded")
    x = everything if images is None else images
    rng = np.random.default_rng(seed)
    index = rng.permutation(len(x))
    private, order = index[: n + pairs], rng.permutation(2 * n)
    encoder = InProcess(scheme, public[:50])
    release = encoder.encode(x[private], labels[private], seed=seed)
    known = Pairs(x[private[n:]], release.encodings[n:]) if pairs else None
    if pairs:
        release = Release(release.encodings[:n], provenance=own(n))
    among = np.r_[private[:n], index[n + pairs : 2 * n + pairs]][order]
    candidates = Candidates(x[among], labels[among], np.where(order < n, order, -1))
    rest = index[2 * n + pairs :]
    view = View(
        release.encodings,
        image_range=release.image_range,
        candidates=candidates.images,
        candidate_labels=candidates.labels,
        similar=x[rest],
        similar_labels=labels[rest],
        pairs=known,
        encoder=encoder,
    )
    return view, candidates, Truth(x[private[:n]], labels[private[:n]], release.provenance), release


def matched(scheme: Any, seed: int = 1, **options: Any) -> tuple[ScoredMatches, Any]:
    view, candidates, truth, release = case(scheme, seed, **options)
    output = Match().run(view, Context(seed))
    assert output.matches is not None and output.matches.shape == (len(release.encodings),) and not output.images.size
    return score_matches(output, candidates, truth, release), output


def small(function: Any) -> np.ndarray:
    images: np.ndarray = function(population("embedded")[0])
    return np.ascontiguousarray(images)


def by_vector(images: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> Release:
    """Vectors: sums over rows and columns, in a secret order and with secret signs."""
    v = np.concatenate([images.mean((1, 3)), images.mean((2, 3))], 1)
    signs = rng.choice([-1.0, 1.0], v.shape[1])
    return Release(((v - 0.5) * signs)[:, rng.permutation(v.shape[1])].astype(np.float32), provenance=own(len(v)))


def by_integers(images: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> Release:
    """Bytes with one exclusive-or pad."""
    pad = rng.integers(0, 256, images.shape[1:], dtype=np.uint8)
    return Release(np.rint(images * 255).astype(np.uint8) ^ pad, provenance=own(len(images)))


BROKEN: dict[str, tuple[Any, dict[str, Any]]] = {
    "identity": (Identity(), {}),
    "permutation": (PixelPermutation(), {}),
    "learnable": (LearnableEncryption(), {}),
    "fresh keys": (EncryptionThenCompression(fresh=True), {}),
    "projection": (RandomProjection(), {"n": 60}),
    "tokens": (NeuraCrypt(depth=-1), {}),
    "vectors": (Custom(by_vector), {}),
    "integers": (Custom(by_integers), {}),
    "grey 28 x 28": (PixelPermutation(), {"images": small(lambda x: x[:, 2:30, 2:30, :1])}),
    "large": (EncryptionThenCompression(), {"images": small(lambda x: x[:400].repeat(2, 1).repeat(2, 2)), "n": 12}),
    "known pairs": (RandomProjection(), {"n": 60, "pairs": 30}),
}


@pytest.mark.parametrize("name", BROKEN)
def test_who_is_who(name: str) -> None:
    scheme, options = BROKEN[name]
    found, output = matched(scheme, **options)
    assert measured(found.metrics["reid"]).value >= 0.9
    assert output.diagnostics["expected_reid"] > 0.8


def test_rows_that_mix_images() -> None:
    found, _ = matched(MixUp(k=2, epochs=2))
    assert measured(found.metrics["reid_above_chance"]).low > 0.3


def cipher(images: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> Release:
    pad = rng.random(images.shape, dtype=np.float32)
    return Release(np.mod(images + pad, 1), provenance=own(len(images)))


@pytest.mark.parametrize("scheme", [Constant(), LabelOnly(), Custom(cipher)], ids=["constant", "label", "cipher"])
def test_nothing_where_there_is_nothing(scheme: Any) -> None:
    found, output = matched(scheme)
    assert measured(found.metrics["reid_above_chance"]).low <= 0.02
    assert output.diagnostics["expected_reid"] < 0.3


def test_the_same_seed_gives_the_same_answer() -> None:
    (_, a), (_, b) = (matched(PixelPermutation()) for _ in range(2))
    np.testing.assert_array_equal(a.matches, b.matches)


def test_what_it_does_not_address() -> None:
    view, *_ = case(Identity())
    for bare in (
        replace(view, candidates=None),
        replace(view, encoder=None),
        replace(view, encodings=view.encodings[:0]),
    ):
        with pytest.raises(NotApplicable, match="candidates"):
            Match().run(bare, Context(1))
    with pytest.raises(NotApplicable, match="shape"):
        Match().run(replace(view, encodings=view.encodings[:, :5]), Context(1))


def test_provenance_is_needed_where_rows_do_not_say() -> None:
    def odd(images: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> Release:
        return Release(np.repeat(images, 2, 0)[1:])

    view, *_ = case(Identity())
    with pytest.raises(NotApplicable, match="provenance"):
        Match().run(replace(view, encoder=InProcess(Custom(odd), view.candidates)), Context(1))


def test_a_match_alone_decides_the_word() -> None:
    found, _ = matched(Identity())
    finding = Finding(id="match", kind="attack", title="m", status="measured", metrics=found.metrics)
    finding.details = dict(found.details)
    status, sentence = attack_status(finding)
    assert status == "broken" and "60 candidates" in sentence and "100\xa0%" in sentence


def test_claims_on_reidentification_include_candidates() -> None:
    assert Knowledge.CANDIDATES in Claim("reid", 0.1, knows=("encodings",)).adversary
    assert Knowledge.CANDIDATES not in Claim("ssim", 0.1, knows=("encodings",)).adversary


@pytest.mark.parametrize("decoys", [True, False])
def test_few_calls_are_enough(decoys: bool) -> None:
    """A scheme whose calls cost what the profile has: three rounds; and a release that is all of the candidates."""
    view, candidates, truth, release = case(EncryptionThenCompression(fresh=True), n=20)
    if not decoys:
        kept = candidates.image >= 0
        candidates = Candidates(candidates.images[kept], candidates.labels[kept], candidates.image[kept])
        view = replace(view, candidates=candidates.images, candidate_labels=candidates.labels)
    output = Match().run(view, Context(1, encoder_s=0.0))
    assert output.diagnostics["encodings_of_each_candidate"] <= 6
    assert measured(score_matches(output, candidates, truth, release).metrics["reid"]).value >= 0.9


def brightness(images: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> Release:
    """One number of an image: which it is in a call does not blur it."""
    return Release(images.mean((1, 2, 3))[:, None], provenance=own(len(images)))


def test_one_number_of_an_image_is_compared_as_it_is() -> None:
    scored, output = matched(Custom(brightness))
    assert scored.metrics["reid"].value is not None and scored.metrics["reid"].value > 0.6
    assert output.diagnostics["expected_reid"] > 0.5
