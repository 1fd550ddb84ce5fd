"""The attack `unmix` on small releases: it must break what is broken and be unsure of noise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ihaudit.attacks.unmix import Unmix
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import View
from ihaudit.errors import NotApplicable
from tests.attacks.releases import Sample, instahide
from tests.attacks.test_phase import correlation
from tests.attacks.test_phase import view as plain_view

CTX = Context(seed=3)


def view(sample: Sample, **changes: object) -> View:
    """With the number of images stated: the few public crops of these releases recur so often that they count too."""
    return plain_view(sample, **{"hints": {"n_private": len(sample.images)}, **changes})


def test_unmix_recovers_instahide_from_few_epochs():
    sample = instahide(n=16, epochs=12, k=4, size=32)
    out = Unmix().run(view(sample), CTX)
    assert out.images.shape == sample.images.shape and out.images.dtype == np.float32
    assert correlation(out.images, sample.images) > 0.8
    assert out.members is not None and out.members.shape == sample.members.shape
    assert out.confidence is not None and out.confidence.shape == (len(out.images),)
    assert [r.name for r in out.stages][:4] == ["similarity", "grouping", "coefficients", "recovery"]
    assert out.stages[-1].name == "restoration"


def test_unmix_is_the_same_for_the_same_seed():
    sample = instahide(n=8, epochs=8, k=4, size=32)
    first, second = (Unmix().run(view(sample), CTX) for _ in range(2))
    np.testing.assert_array_equal(first.images, second.images)
    np.testing.assert_array_equal(first.confidence, second.confidence)


def test_noise_gets_no_confidence():
    sample = instahide(n=16, epochs=12, k=4, size=32)
    rng = np.random.default_rng(0)
    noise = replace(sample, encodings=rng.standard_normal(sample.encodings.shape).astype(np.float32) * 0.3)
    good, null = Unmix().run(view(sample), CTX), Unmix().run(view(noise), CTX)
    assert abs(correlation(null.images, sample.images)) < 0.5
    assert null.confidence.mean() < 0.5 < good.confidence.mean()


def test_one_private_image_and_grey_images():
    single = instahide(n=8, epochs=16, k=3, size=32, private=1)
    assert correlation(Unmix().run(view(single), CTX).images, single.images) > 0.7
    sample = instahide(n=8, epochs=12, k=4, size=32)
    grey = np.abs(sample.encodings[..., :1])
    out = Unmix().run(View(encodings=grey, labels=sample.labels, image_range=(-1.0, 1.0)), CTX)
    assert out.images.shape[1:] == (32, 32, 1)


def test_other_variants_of_stages_are_interchangeable():
    sample = instahide(n=8, epochs=12, k=4, size=32)
    out = Unmix(similarity="unmasked", recovery="unmask", restoration="plain").run(view(sample), CTX)
    assert out.confidence is None and correlation(out.images, sample.images) > 0.7


def test_releases_without_masks_are_not_its_business():
    sample = instahide(n=8, epochs=8, size=32, mask=False)
    with pytest.raises(NotApplicable, match="mask"):
        Unmix().run(view(sample), CTX)
    with pytest.raises(NotApplicable, match="one sign"):
        Unmix().run(View(encodings=np.abs(sample.encodings), labels=sample.labels, image_range=(0.0, 1.0)), CTX)
