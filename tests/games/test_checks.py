"""The checks see what they are for, and say nothing where there is nothing to see."""

from __future__ import annotations

from typing import Any

import numpy as np

from ihaudit.release import Provenance, Release
from ihaudit.results import Finding
from ihaudit.schemes.instahide import InstaHide
from ihaudit.schemes.label_only import LabelOnly
from tests.games.inprocess import Custom, one_hot, play, setting


def parts(scheme: object, **fields: Any) -> dict[str, Finding]:
    return {f.id: f for f in play("checks", setting(scheme, **fields))}


def test_instahide_passes_all() -> None:
    f = parts(InstaHide(k=4, epochs=2))
    assert f["checks"].status == "measured" and f["checks"].reason == ""
    assert set(f) == {"checks", "checks-decomposable", "checks-sources"}
    assert "not depend on labels" in f["checks-decomposable"].sentence
    assert "Rows resemble the images" in f["checks-sources"].sentence


def test_wrong_sources_make_the_check_inconclusive() -> None:
    def lies(images: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> Release:
        n = len(images)
        return Release(images.copy(), one_hot(labels), provenance=Provenance(((np.arange(n) + 1) % n)[:, None]))

    f = parts(Custom(lies))
    assert f["checks-sources"].status == "inconclusive" and f["checks"].status == "inconclusive"
    assert "artefact" in f["checks-sources"].reason


def test_wrong_sources_in_a_mixture() -> None:
    inner = InstaHide(k=2, epochs=1)

    def lies(images: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> Release:
        r = inner.encode(images, labels, images[:5], rng)
        wrong = rng.permutation(len(r.encodings))
        assert r.provenance is not None
        return Release(r.encodings, r.labels, r.image_range, provenance=Provenance(r.provenance.sources[wrong]))

    assert parts(Custom(lies))["checks-sources"].status == "inconclusive"


def test_labels_that_change_images() -> None:
    f = parts(LabelOnly())
    assert "depend on labels" in f["checks-decomposable"].sentence
    assert f["checks-sources"].status == "measured"  # nothing to compare with is not an error
    declared = parts(LabelOnly(), decomposable=True)["checks-decomposable"]
    assert "declares itself decomposable but is not" in declared.reason
