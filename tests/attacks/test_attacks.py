"""The attacks as a whole, in one table: what each takes and what it must show; the rest of the tests run its rows."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from ihaudit.attacks.numerics.masks import MaskKind
from ihaudit.attacks.single import run as single
from ihaudit.contracts.attack import AttackOutput
from ihaudit.contracts.configure import configure
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import View
from ihaudit.errors import NotApplicable
from ihaudit.registry import load
from ihaudit.scheme import Knowledge
from tests.attacks.releases import Sample, instahide, photographs
from tests.attacks.states import correlation, view_of
from tests.data import load_images

CTX = Context(seed=3)


@dataclass(frozen=True)
class Row:
    """What an attack takes, and what it must show.

    Attributes:
        shape: (H, W, C) of the only encodings that it takes, or None for any.
        side: least side of images.
        channels: numbers of channels, or None for any.
        masks: kinds of release.
        positive: it takes images mixed on [0, 1], whose mixtures no sign can hide.
        encodings: how many there must be.
        minutes: a run takes minutes, not seconds.
        breaks: arguments of `instahide`, and the mean correlation that its reconstructions must reach at least.
        stated: the number of images is stated there: the few public crops recur so often that they would count too.
        counts: it finds as many images as there are.
        begins: the names of its first records there, in order; the last is that of the restoration.
        noise: the mean correlation that they must not reach on noise.
        elsewhere: what it says of every release here (one of several, divided by a bar), being for schemes of another
            kind; it has tests of its own.
    """

    attack: str
    shape: tuple[int, int, int] | None = None
    side: int = 8
    channels: frozenset[int] | None = None
    masks: frozenset[MaskKind] = frozenset({"masked", "absolute", "signed"})
    positive: bool = True
    encodings: int = 2
    minutes: bool = False
    breaks: tuple[dict[str, Any], float] | None = None
    stated: bool = False
    counts: bool = True
    begins: tuple[str, ...] = ()
    noise: float = 0.5
    elsewhere: str = ""


MASKED: frozenset[MaskKind] = frozenset({"masked", "absolute"})
ONE_BY_ONE = {"side": 16, "channels": frozenset({1, 3}), "masks": MASKED, "positive": False, "encodings": 1}
TABLE = {
    row.attack: row
    for row in (
        Row("as-released", elsewhere="as they are"),
        Row("everything", elsewhere="no oracle"),
        Row("carlini", shape=(32, 32, 3)),
        Row("cluster-mean"),
        Row(
            "fdn",
            shape=(32, 32, 3),
            masks=MASKED,
            positive=False,
            breaks=({"epochs": 24, "size": 32, "n": 8}, 0.6),
            stated=True,
            begins=("similarity", "grouping", "filtering", "coefficients", "reweighting", "fusion"),
        ),
        Row("components", elsewhere="sign mask|fewer dimensions|mixtures of few|not images|too few"),
        Row(
            "least-squares",
            masks=frozenset({"signed"}),
            breaks=({"k": 2, "epochs": 20, "mask": False}, 0.98),
            counts=False,
            begins=("similarity", "grouping", "coefficients", "assignment"),
        ),
        Row(
            "phase",
            breaks=({"k": 3}, 0.7),
            begins=("similarity", "grouping", "coefficients", "recovery", "assignment", "recovery"),
            noise=0.4,
        ),
        Row("decoder", elsewhere="no pair of an image and its encoding"),
        Row("jigsaw", elsewhere="similar images"),
        Row("linear", elsewhere="no pair of an image and its encoding"),
        Row("marks", elsewhere="no candidates to choose from"),
        Row("match", elsewhere="no candidates to choose from"),
        Row("phase-public"),
        Row("prng", encodings=1, minutes=True),
        Row("recolour", **ONE_BY_ONE),  # type: ignore[arg-type]
        Row("single", **ONE_BY_ONE, minutes=True),  # type: ignore[arg-type]
        Row("unblur", elsewhere="similar images"),
        Row("unkey", elsewhere="similar images"),
        Row("unpaired", elsewhere="similar images"),
        Row("unscramble", elsewhere="similar images"),
        Row(
            "unmix",
            side=16,
            channels=frozenset({1, 3}),
            masks=MASKED,
            positive=False,
            breaks=({"epochs": 12, "size": 32}, 0.8),
            stated=True,
            begins=("similarity", "grouping", "coefficients", "recovery"),
        ),
        Row("unmix-public", side=16, channels=frozenset({1, 3}), masks=MASKED, positive=False),
    )
}


@dataclass(frozen=True)
class Kind:
    """A kind of release: 8 private images, each in 8 encodings of two of them and a public one."""

    size: int = 32
    channels: int = 3
    mask: MaskKind = "masked"
    positive: bool = False
    labels: bool = True
    images: bool = True
    encodings: int = 64
    public: bool = True


KINDS = {
    "colour": Kind(),
    "small": Kind(size=16),
    "tiny": Kind(size=8),
    "grey": Kind(channels=1),
    "four channels": Kind(channels=4, size=16),
    "moduli": Kind(mask="absolute"),
    "no mask": Kind(mask="signed"),
    "positive": Kind(mask="absolute", positive=True),
    "no labels": Kind(labels=False),
    "one encoding": Kind(encodings=1),
    "rows of numbers": Kind(images=False),
    "no public set": Kind(public=False),
}


def _channels(x: np.ndarray, count: int) -> np.ndarray:
    """The first channels; of four, one comes twice."""
    return np.concatenate([x, x[..., :1]], -1)[..., :count]


@cache
def view_of_kind(kind: Kind) -> View:
    """A release of a kind."""
    if not kind.images:
        return View(encodings=np.random.default_rng(0).normal(size=(40, 50)).astype(np.float32))
    sample = instahide(n=8, epochs=8, k=3, size=kind.size, mask=kind.mask != "signed")
    x = _channels(sample.encodings, kind.channels)[: kind.encodings]
    if kind.mask == "absolute":
        x = np.abs(x)
    public, _ = photographs(60, 1000, kind.size)
    return View(
        encodings=x,
        labels=sample.labels[: kind.encodings] if kind.labels else None,
        image_range=(0.0, 1.0) if kind.positive else (-1.0, 1.0),
        public_set=_channels(public, kind.channels) if kind.public else None,
        knows=frozenset({Knowledge.ENCODINGS, *([Knowledge.PUBLIC_SET] if kind.public else [])}),
        hints={"n_private": 8},
    )


def refusal(row: Row, kind: Kind) -> str | None:
    """What a refusal must say, or None where the attack must run."""
    if row.elsewhere:
        return "|".join(map(re.escape, row.elsewhere.split("|")))
    needs_public = Knowledge.PUBLIC_SET in load("attack")[row.attack].needs
    shape = (kind.size, kind.size, kind.channels)
    reasons = {
        "public": needs_public and not (kind.public and kind.images),
        "image": not kind.images,
        "too few": kind.encodings < row.encodings,
        "trained on 32 x 32 x 3": row.shape not in (None, shape),
        "pixels": kind.size < row.side,
        "colour": row.channels is not None and kind.channels not in row.channels,
        "sign": (kind.mask not in row.masks and not (row.positive and kind.positive))
        or (kind.positive and not row.positive),
    }
    apply = [reason for reason, holds in reasons.items() if holds]
    return "|".join(map(re.escape, apply)) if apply else None


def check(out: AttackOutput, view: View) -> None:
    """What every answer must be like."""
    count, encodings = len(out.images), len(view.encodings)
    assert out.images.dtype == np.float32 and out.images.shape[1:] == view.encodings.shape[1:]
    assert np.isfinite(out.images).all() and (count == 0 or 0 <= out.images.min() <= out.images.max() <= 1)
    if out.members is not None:
        assert len(out.members) == encodings and -1 <= out.members.min() <= out.members.max() < count
    if out.coefficients is not None:
        assert out.members is not None and out.coefficients.shape == out.members.shape
    if out.confidence is not None:
        assert out.confidence.shape == (count,) and -1 <= out.confidence.min() <= out.confidence.max() <= 1
    assert out.stages and all(r.name and r.variant and r.seconds >= 0 for r in out.stages)
    json.dumps([out.diagnostics, [r.diagnostics for r in out.stages]], default=float)


def cells() -> list[Any]:
    """Every attack on every kind of release; runs of minutes are slow tests, refusals never are."""
    found = []
    for row in TABLE.values():
        for name, kind in KINDS.items():
            slow = [pytest.mark.slow] if row.minutes and refusal(row, kind) is None else []
            found.append(pytest.param(row, kind, id=f"{row.attack}-{name}", marks=slow))
    return found


def test_the_table_holds_every_attack() -> None:
    ours = {name for name, cls in load("attack").items() if cls.__module__.startswith("ihaudit.")}
    assert set(TABLE) == ours


@pytest.mark.parametrize(("row", "kind"), cells())
def test_an_attack_runs_or_says_why_not(row: Row, kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(single.CALIBRATION, "quick", 48)
    view, message = view_of_kind(kind), refusal(row, kind)
    if message is None:
        check(configure(row.attack).run(view, CTX), view)
    else:
        with pytest.raises(NotApplicable, match=message):
            configure(row.attack).run(view, CTX)


BREAKS = [pytest.param(row, id=name) for name, row in TABLE.items() if row.breaks is not None]


@cache
def broken(attack: str) -> tuple[Sample, View, AttackOutput]:
    """The release that an attack must break, and its answer."""
    row = TABLE[attack]
    assert row.breaks is not None
    sample = instahide(**row.breaks[0])
    view = view_of(sample, hints={"n_private": len(sample.images)} if row.stated else {})
    return sample, view, configure(attack).run(view, CTX)


@pytest.mark.parametrize("row", BREAKS)
def test_what_an_attack_is_made_for_it_breaks(row: Row) -> None:
    sample, view, out = broken(row.attack)
    check(out, view)
    assert row.breaks is not None and correlation(out.images, sample.images) > row.breaks[1]
    assert len(out.images) == len(sample.images) or not row.counts
    assert out.members is not None and out.members.shape == sample.members.shape
    names = tuple(r.name for r in out.stages)
    assert names[: len(row.begins)] == row.begins and names[-1] == "restoration"


@pytest.mark.parametrize("row", BREAKS)
def test_the_same_seed_gives_the_same_answer(row: Row) -> None:
    _, view, out = broken(row.attack)
    again = configure(row.attack).run(view, CTX)
    np.testing.assert_array_equal(again.images, out.images)
    np.testing.assert_array_equal(again.members, out.members)
    np.testing.assert_array_equal(again.confidence, out.confidence)


@pytest.mark.parametrize("row", [p for p in BREAKS if p.id != "least-squares"])
def test_nothing_is_found_in_noise(row: Row) -> None:
    sample, view, out = broken(row.attack)
    rng = np.random.default_rng(0)
    noise = rng.standard_normal(view.encodings.shape).astype(np.float32)
    signs = rng.choice(np.array([-1, 1], np.float32), noise.shape)
    with pytest.raises(NotApplicable, match="no picture lies under a sign mask"):
        configure(row.attack).run(replace(view, encodings=0.3 * noise), CTX)
    # Pictures of nothing, each under a mask of its own: as smooth as photographs, and without any in common.
    smooth = gaussian_filter(noise, (0, 2, 2, 0))
    null = configure(row.attack).run(replace(view, encodings=0.3 * smooth / smooth.std() * signs), CTX)
    assert abs(correlation(null.images, sample.images)) < row.noise
    if out.confidence is not None:
        assert null.confidence is not None and null.confidence.mean() < 0.5 < out.confidence.mean()


@pytest.mark.parametrize("attack", ["phase", "cluster-mean"])
@pytest.mark.parametrize("fill", [0.0, 0.5])
def test_constant_encodings_do_not_crash(attack: str, fill: float) -> None:
    sample = instahide(epochs=6)
    view = view_of(sample, encodings=np.full_like(sample.encodings, fill))
    check(configure(attack).run(view, CTX), view)


@pytest.mark.parametrize("private", [1, 3])
def test_phase_takes_other_numbers_of_private_images(private: int) -> None:
    view = view_of(instahide(private=private, k=4, epochs=24))
    check(configure("phase").run(view, CTX), view)


def test_phase_reads_moduli_as_well_as_masked_values() -> None:
    view = view_of(instahide(epochs=10))
    masked, moduli = (
        configure("phase").run(replace(view, encodings=x), CTX) for x in (view.encodings, np.abs(view.encodings))
    )
    np.testing.assert_allclose(moduli.images, masked.images, atol=1e-5)


def test_phase_takes_oblong_images() -> None:
    sample = instahide(epochs=12)
    view = view_of(sample, encodings=sample.encodings[:, :12, :, :1])
    check(configure("phase").run(view, CTX), view)


def test_copies_are_answered_with_the_images() -> None:
    images, _ = photographs(20)
    view = View(encodings=np.repeat(images, 3, 0), labels=None, image_range=(0.0, 1.0))
    out = configure("as-released").run(view, CTX)
    check(out, view)
    assert out.images.shape == images.shape
    np.testing.assert_allclose(np.sort(out.images.mean((1, 2, 3))), np.sort(images.mean((1, 2, 3))), atol=1e-5)


def test_unmix_takes_one_private_image_an_encoding() -> None:
    sample = instahide(n=8, epochs=16, k=3, size=32, private=1)
    out = configure("unmix").run(view_of(sample, hints={"n_private": 8}), CTX)
    assert correlation(out.images, sample.images) > 0.7


def test_unmix_without_the_learned_prior() -> None:
    sample = instahide(n=8, epochs=12, k=4, size=32)
    out = configure("unmix:restoration=plain").run(view_of(sample, hints={"n_private": 8}), CTX)
    assert out.confidence is None and correlation(out.images, sample.images) > 0.7


def test_a_stage_without_those_before_it_says_which() -> None:
    view = view_of_kind(KINDS["small"])
    for spec, message in (
        ("phase:recovery=unmask", "recovery=unmask needs similarity=unmasked"),
        ("unmix:restoration=network,recovery=mean", "expected signs: choose recovery=unmask"),
        ("phase:grouping=signed", "grouping=signed needs similarity=unmasked"),
    ):
        with pytest.raises(NotApplicable, match=message):
            configure(spec).run(view, CTX)


@pytest.mark.data
@pytest.mark.slow
def test_reference_benchmark() -> None:
    from tests.benchmarks.attacks import reference, scores

    load_images("cifar10_eval")
    load_images("imagenet_patches")
    sample = reference(seed=11)
    out = configure("phase").run(view_of(sample), CTX)
    assert float(scores(out.images, sample.images).mean()) > 0.60
