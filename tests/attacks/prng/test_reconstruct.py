"""What becomes of known masks without the public set: who groups, and how well."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ihaudit.attacks.prng import reconstruct
from ihaudit.attacks.prng.reconstruct import Knowns, Reconstruction
from ihaudit.attacks.prng.stream import UnmaskedRelease
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import View
from tests.attacks.releases import Sample, instahide
from tests.attacks.states import correlation

pytestmark = pytest.mark.usefixtures("one_thread")


def recovered(sample: Sample, lost: int = 0, **changes: np.ndarray | None) -> Reconstruction:
    """From a release whose masks are all known but the first `lost`, with something else released."""
    known = np.arange(len(sample.encodings)) >= lost
    mixtures = sample.encodings * known[:, None, None, None].astype(np.float32)
    view = replace(View(sample.encodings, sample.labels, (-1.0, 1.0)), **changes)  # type: ignore[arg-type]
    knowns = Knowns.of(view, Context(0))
    return reconstruct.reconstruct(UnmaskedRelease(mixtures, known), knowns, Context(0))


def test_few_encodings_are_grouped_by_the_stages_of_unmix(monkeypatch: pytest.MonkeyPatch) -> None:
    sample = instahide(n=16, epochs=6, k=4, size=32, mask=False)
    found = recovered(sample, lost=5)
    assert found.variant == "signed" and found.images.dtype == np.float32
    assert found.confidence is not None and len(found.confidence) == len(found.images)
    assert found.members is not None and (found.members[:5] == -1).all() and found.members[5:].max() >= 12
    monkeypatch.setattr(reconstruct, "by_stages", lambda *_: None)
    alone = recovered(sample, lost=5)
    assert alone.variant in ("local-least-squares", "generalised-least-squares", "least-squares")
    assert correlation(found.images, sample.images) > correlation(alone.images, sample.images)


@pytest.mark.parametrize("kind", ["none", "hard"])
def test_images_are_found_where_no_label_tells_coefficients(kind: str) -> None:
    """Without labels the mixtures themselves were answered."""
    sample = instahide(n=6, epochs=20, k=4, size=32, mask=False)
    labels = None if kind == "none" else (sample.labels > 0).astype(np.float32)
    found = recovered(sample, labels=labels)
    assert found.variant == "signed" and len(found.images) == 6
    assert correlation(found.images, sample.images) > 0.8


def test_mixtures_are_answered_where_no_two_share_an_image() -> None:
    sample = instahide(n=200, epochs=1, k=4, size=32, mask=False)
    kept = np.unique(sample.members[:, 0], return_index=True)[1][:30]
    alone = replace(sample, encodings=sample.encodings[kept], labels=sample.labels[kept])
    found = recovered(alone, labels=None)
    assert found.variant == "mixtures" and len(found.images) == 30


def test_exact_systems_are_left_exact() -> None:
    sample = instahide(n=8, epochs=20, k=2, size=32, mask=False)  # both images are private
    found = recovered(sample)
    assert found.variant == "least-squares"
    assert correlation(found.images, sample.images) > 0.999


def test_where_it_finds_fewer_images_the_expected_ssim_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    sample = instahide(n=12, epochs=20, k=4, size=32, mask=False)
    whole = reconstruct.by_stages(
        sample.encodings, sample.labels, View(sample.encodings, sample.labels, (-1.0, 1.0)), Context(0)
    )
    assert whole is not None and whole.confidence is not None
    for confidence, variant in ((100.0, "signed"), (-100.0, "local-least-squares")):
        fewer = replace(
            whole,
            images=whole.images[:2],
            members=np.minimum(whole.members, 1),
            confidence=np.full(2, confidence, np.float32),
        )
        monkeypatch.setattr(reconstruct, "by_stages", lambda *_, fewer=fewer: fewer)
        assert recovered(sample).variant == variant
