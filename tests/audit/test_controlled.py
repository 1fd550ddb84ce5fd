"""Which controls an audit runs: the images as they are, nulls, and the nearest relative of the audited scheme."""

from __future__ import annotations

import importlib
from dataclasses import fields

import numpy as np
import pytest

from ihaudit import registry
from ihaudit.audit.controlled import BakedIn, Controlled, chosen, in_words
from ihaudit.audit.data import Data
from ihaudit.audit.plan import plan_items
from ihaudit.audit.profiles import get_profile
from ihaudit.audit.worker import AttackWorker
from ihaudit.contracts.context import Context
from ihaudit.contracts.control import Control
from ihaudit.contracts.traits import Traits, divisor
from ihaudit.images import ImageSet
from ihaudit.release import Release
from ihaudit.results import Finding, Status
from ihaudit.sandbox.loader import locate
from ihaudit.scheme import DEFAULT_ADVERSARY, KeyScope
from tests.pictures import pictures

IMAGE, RELEASE, FIXED = KeyScope.IMAGE, KeyScope.RELEASE, KeyScope.FIXED
SHAPES = [(28, 28, 1), (32, 32, 3), (64, 64, 3), (30, 21, 2)]
#: traits by name of the relative that stands for them
RELATIVES = [
    ("permutation", Traits((32, 32, 3), key=RELEASE, rearranged=True)),
    ("permutation", Traits((32, 32, 3), key=FIXED, rearranged=True)),
    ("block-cipher", Traits((32, 32, 3), key=RELEASE)),
    ("block-cipher", Traits((32, 32, 3), key=FIXED)),
    ("block-cipher", Traits((32, 32, 3), key=IMAGE, steady=True)),
    ("scrambled-blocks", Traits((32, 32, 3), key=IMAGE)),
    ("scrambled-blocks", Traits((32, 32, 3), key=IMAGE, rearranged=True)),
    ("blur", Traits((32, 32, 3), key=FIXED, resembles=True)),
    ("blur", Traits((32, 32, 3), key=IMAGE, resembles=True)),
    ("projection", Traits((32, 32, 3), form="vector", key=RELEASE)),
    ("projection", Traits((32, 32, 3), form="vector", key=IMAGE, steady=True)),
    ("shuffled-values", Traits((32, 32, 3), form="vector", key=IMAGE)),
    ("tokens", Traits((32, 32, 3), form="tokens", key=RELEASE)),
    ("features", Traits((32, 32, 3), form="map", key=FIXED)),
    ("mixup", Traits((32, 32, 3), mixing=True)),
    ("mixup", Traits((32, 32, 3), mixing=True, masked=True)),
    ("hidden-mixing", Traits((32, 32, 3), form="vector", mixing=True)),
]


def controls() -> dict[str, Control]:
    return registry.load("control")


@pytest.mark.parametrize(("name", "traits"), RELATIVES)
def test_the_nearest_relative_and_no_other(name: str, traits: Traits) -> None:
    chosen = {k: c for k, c in controls().items() if c.like(traits)}
    assert [k for k, c in chosen.items() if c.sibling] == [name]
    assert {k for k, c in chosen.items() if not c.sibling} == {"identity", "noise", "constant", "cipher", "label-only"}
    assert chosen[name].words


def test_quick_audits_play_one_null_of_noise_and_others_both() -> None:
    nulls = {k: c.profiles for k, c in controls().items() if not c.must_break}
    assert [k for k, profiles in nulls.items() if "quick" not in profiles] == ["noise"]
    assert all({"standard", "full"} <= set(profiles) for profiles in nulls.values())


def encode(control: Control, traits: Traits, images: np.ndarray) -> np.ndarray:
    """What the control's scheme, of this package, makes of images."""
    module = importlib.import_module("ihaudit.schemes." + control.scheme.replace("-", "_"))
    scheme = next(c for c in vars(module).values() if isinstance(c, type) and c.__module__ == module.__name__)
    numbers = {"true": True}
    sets = {k: numbers.get(v, v) for k, v in control.parameters(traits).items()}
    types = {f.name: f.type for f in fields(scheme)}
    given = {k: int(v) if types[k] == "int" else float(v) if types[k] == "float" else v for k, v in sets.items()}
    labels = np.arange(len(images)) % 2
    release: Release = scheme(**given).encode(images, labels, images, np.random.default_rng(0))
    return np.asarray(release.encodings)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("name", "traits"), RELATIVES)
def test_relatives_and_nulls_encode_images_of_any_size(name: str, traits: Traits, shape: tuple[int, int, int]) -> None:
    traits = Traits(**vars(traits) | {"image": shape})
    images = np.random.default_rng(0).random((4, *shape), dtype=np.float32)
    for control in (controls()[name], controls()["cipher"]):
        encodings = encode(control, traits, images)
        assert (encodings.shape[1:] == shape) == (traits.form == "image")


def test_under_a_fixed_key_the_relative_has_its_key_baked_in() -> None:
    images, labels = np.random.default_rng(0).random((4, 8, 8, 1), dtype=np.float32), np.arange(4) % 2
    with BakedIn(locate("pixel-permutation")) as scheme:
        a, b = scheme.encode(images, labels, seed=1), scheme.encode(images, labels, seed=2)
    np.testing.assert_array_equal(a.encodings, b.encodings)


def test_a_relative_breaks_though_every_image_has_a_class_of_its_own() -> None:
    """Where labels name their images, `match` cannot be told from guessing: controls have classes of several."""
    classes = np.arange(120) % 60
    many = ImageSet(pictures(120, size=16, channels=1), classes, "test")
    data = Data(many.subset(np.arange(40)), many.empty((16, 16, 1)), many.subset(np.arange(40, 120)), seed=3)
    items = plan_items({"attack": ("match",), "game": ("none",)}, get_profile("quick"), [DEFAULT_ADVERSARY], ", ".join)
    with AttackWorker() as worker:
        traits, profile = Traits((16, 16, 1), key=IMAGE), get_profile("quick")
        ctx = Context(seed=3, profile="quick", encoder_s=60.0)
        controls = chosen(traits, profile).values()
        found = [Controlled(c, data, None, profile, items, ctx, traits).games(worker) for c in controls]
    outcome = {f.id: f.status for f in found}
    assert outcome["control:scrambled-blocks"] == "broken"
    assert {outcome[f"control:{n}"] for n in ("cipher", "constant", "label-only")} <= {"no break found", "not run"}


def test_the_largest_block_that_divides_an_image() -> None:
    assert [divisor(Traits(s), 4) for s in SHAPES] == [4, 4, 4, 3]
    assert divisor(Traits((31, 29, 1)), 8) == 1


def test_a_control_that_nothing_was_run_on_is_not_said_to_have_failed() -> None:
    def finding(name: str, status: Status, **details: bool) -> Finding:
        return Finding(id=f"control:{name}", kind="control", title=name, status=status, details=details)

    held, absent = finding("identity", "broken"), finding("cipher", "not run")
    bare = finding("mixup", "inconclusive", untried=True)
    survived = finding("mixup", "inconclusive", untried=False)
    assert in_words([held, absent]) == "1 as it must; 1 not addressed by any attack or game here"
    assert in_words([bare, absent]).startswith("no attack or game here was run on control:mixup; 1 not addressed")
    assert in_words([survived, held, held]) == "failed: control:mixup; 2 as they must"
    assert in_words([absent, absent]) == "none ran: no attack or game here addresses them"
