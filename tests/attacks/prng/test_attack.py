"""The attack as the audit calls it: broken where the generator is a Mersenne Twister, and only there."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from ihaudit.attacks.numerics.demix import demix
from ihaudit.attacks.prng import Prng
from ihaudit.attacks.prng.attack import not_explained, scanned_tables
from ihaudit.attacks.prng.search import Search
from ihaudit.contracts.configure import configure
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import View
from ihaudit.errors import NotApplicable, UsageError
from ihaudit.metrics import ssim
from ihaudit.registry import get
from ihaudit.release import Release
from ihaudit.report.details import tables as report_tables
from ihaudit.results import Finding
from ihaudit.scheme import Knowledge
from ihaudit.schemes.instahide import InstaHide
from tests.attacks.prng.helpers import mixtures, natural

LOW_HIGH = (-1.0, 1.0)


def release(
    epochs: int = 6, n: int = 40, seed: int = 0, classes: int = 4, **options: Any
) -> tuple[np.ndarray, np.ndarray, Release]:
    """Private images, public images, and what InstaHide makes of them."""
    images, public = natural(n, seed), natural(300, seed + 1)
    labels = np.arange(n, dtype=np.int64) % classes
    made = InstaHide(epochs=epochs, **options).encode(images, labels, public, np.random.default_rng(seed))
    return images, public, made


def test_generators_that_were_tried_are_named_by_family_and_once() -> None:
    tried = ["PCG64 (numpy.random.default_rng)", "MT19937 (torch.manual_seed)", "MT19937 (numpy)", "xorwow"]
    encodings = np.zeros((2, 4, 4, 3), np.float32)
    search = Search(encodings, True, View(encodings=encodings), Context(0), [{"generator": g} for g in tried])
    assert "4 combinations of generator, convention and range (MT19937, PCG64, xorwow; the" in not_explained(search)


def view(made: Release, **more: Any) -> View:
    return View(made.encodings, made.labels, made.image_range, **more)


def test_registered_with_what_it_needs() -> None:
    a = get("attack", "prng")
    assert a.id == "prng" and a.needs == frozenset({Knowledge.ENCODINGS}) and "quick" in a.profiles
    assert a.title and a.reference


@pytest.mark.parametrize("value", ["seedless=true", "human=false", "scans=alway", "scans=yes"])
def test_options_that_would_silently_search_less_are_refused(value: str) -> None:
    with pytest.raises(UsageError, match="prng:"):
        configure(f"prng:{value}")
    configured = configure("prng:seedless=no,human=no,scans=always")
    assert isinstance(configured, Prng) and configured == Prng("no", "no", "always")


@pytest.mark.slow
@pytest.mark.parametrize(("rng", "seed"), [("numpy", None), ("torch", 123_456_789)])
def test_end_to_end(rng: str, seed: int | None) -> None:
    images, public, made = release(k=4, rng=rng, rng_seed=seed)
    out = Prng().run(view(made, public_set=public, similar=natural(400, 50)), Context(0))
    assert out.broke is True
    assert out.diagnostics["encodings_used"] <= 40
    assert out.diagnostics["unmasked"] == len(made.encodings)
    assert made.provenance is not None and made.provenance.masks is not None
    true = made.encodings * made.provenance.masks
    assert out.unmasked is not None
    np.testing.assert_allclose(out.unmasked, true, atol=1e-6)
    origin = out.diagnostics["origin"]
    assert origin["kind"] == ("SeedSequence" if seed is None else "init_genrand")
    if seed is not None:
        assert origin["seed"] == seed and origin["offset_words"] == 2 * (len(images) - 1)
    # with the public set: exact for the images that were found
    gap = ((out.images[:, None] - images[None]) ** 2).mean((2, 3, 4))
    assert np.sqrt(gap.min(1)).max() < 0.01
    assert len(set(gap.argmin(1).tolist())) == len(out.images) >= 38
    json.dumps(out.diagnostics)
    assert "CSPRNG" in out.sentence or "secure generator" in out.sentence


@pytest.mark.slow
def test_secure_generator_is_not_broken() -> None:
    _, _, made = release(epochs=1, n=24, k=4, rng="secure")
    out = Prng(human="no").run(view(made), Context(0))
    assert out.broke is False
    assert out.unmasked is None and len(out.images) == 0
    assert out.sentence.startswith("No break found") and "(MT19937; the tables" in out.sentence  # families, once each
    assert len(out.diagnostics["scanned"]) >= 4
    assert all({"generator", "convention", "range", "outcome"} <= set(row) for row in out.diagnostics["scanned"])


def test_report_lists_what_was_scanned() -> None:
    """By generator, convention and range, in the form that the report prints (`ihaudit.report.details`)."""
    x = mixtures(4, 0) * np.random.default_rng(0).choice([-1, 1], (4, 32, 32, 3))
    out = Prng(human="no").run(View(x.astype(np.float32), None, LOW_HIGH), Context(0))
    finding = Finding(kind="attack", id="prng", title="prng", status="no break found", details=out.diagnostics)
    (table,) = report_tables(finding)
    assert table.title.startswith("Scanned for generators") and table.columns[0] == "generator"
    generators = [row[0] for row in table.rows]
    assert "MT19937" in generators and len(set(generators)) == len(generators)
    shown = table.rows[generators.index("MT19937")]
    assert "4 encodings" in shown[2] and "not possible" in shown[3]
    row = {"generator": "G", "convention": "c", "outcome": "no seed fits"}
    merged = scanned_tables([row | {"range": "0..9"}, row | {"range": "10..19"}])
    assert merged["Scanned: G"]["rows"] == [["c", "0..9; 10..19", "no seed fits"]]


def test_seed_from_labels_alone() -> None:
    _, _, made = release(k=4, rng="numpy", rng_seed=31_337, release_abs=True)
    out = Prng().run(view(made), Context(0))
    assert out.broke is True and out.diagnostics["origin"]["seed"] == 31_337 and out.unmasked is None


def test_seed_from_labels_gives_the_masks() -> None:
    _, _, made = release(k=4, rng="torch", rng_seed=271_828)
    out = Prng(seedless="no").run(view(made), Context(0))
    assert out.broke is True and out.diagnostics["origin"]["seed"] == 271_828
    assert out.diagnostics["unmasked"] == len(made.encodings)


def test_not_applicable_where_there_is_no_mask() -> None:
    with pytest.raises(NotApplicable, match="no random sign mask"):
        Prng().run(View(mixtures(12, 0), None, LOW_HIGH), Context(0))
    with pytest.raises(NotApplicable, match="no random sign mask"):
        Prng().run(View(np.abs(mixtures(12, 0)), None, LOW_HIGH), Context(0))
    with pytest.raises(NotApplicable, match="not images"):
        Prng().run(View(np.zeros((5, 100), np.float32)), Context(0))
    with pytest.raises(NotApplicable, match="no encodings"):
        Prng().run(View(np.zeros((0, 32, 32, 3), np.float32)), Context(0))


def test_too_few_encodings_is_said() -> None:
    x = mixtures(4, 0) * np.random.default_rng(0).choice([-1, 1], (4, 32, 32, 3))
    out = Prng(human="no").run(View(x.astype(np.float32), None, LOW_HIGH), Context(0))
    assert out.broke is False
    assert "not possible" in out.diagnostics["scanned"][0]["outcome"]


def test_demix_pairs_and_separates() -> None:
    images, _, made = release(epochs=25, k=4, seed=3)
    origin = made.provenance
    assert origin is not None and origin.masks is not None and origin.coefficients is not None
    assert made.labels is not None
    found = demix(made.encodings * origin.masks, made.labels)
    assert found is not None
    gap = ((found.images[:, None] - (2 * images[None] - 1)) ** 2).mean((2, 3, 4))
    match = gap.argmin(1)
    assert len(set(match.tolist())) >= 38
    truth = np.sort(origin.sources, 1)
    strong = origin.coefficients.min(1) > 0.1
    named = np.sort(np.append(match, -1)[found.members], 1)
    assert (named == truth).all(1)[strong].mean() > 0.9
    best = np.array(
        [ssim(images[m][None], (found.images[i] / 2 + 0.5)[None].clip(0, 1))[0] for i, m in enumerate(match)]
    )
    assert best.mean() > 0.8


def test_demix_finds_nothing_in_noise() -> None:
    rng = np.random.default_rng(0)
    y = rng.dirichlet(np.ones(4), 60).astype(np.float32)
    assert demix(rng.standard_normal((60, 16, 16, 3)).astype(np.float32), y) is None
