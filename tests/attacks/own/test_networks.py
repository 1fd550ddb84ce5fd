"""`--train`: what is trained, what is kept and used again, when it refuses, and the whole way through."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ihaudit.attacks.carlini import Carlini
from ihaudit.attacks.numerics.labels import read_slots
from ihaudit.attacks.own import networks as own_networks
from ihaudit.attacks.own.images import FEWEST
from ihaudit.attacks.own.networks import releases_like
from ihaudit.attacks.recipe import start
from ihaudit.audit.store import FolderStore
from ihaudit.contracts.attack import AttackOutput
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import View
from ihaudit.errors import NotApplicable
from ihaudit.nn import retraining
from ihaudit.nn.retraining import PARTS, Retraining
from ihaudit.nn.similarity import SHAPE
from ihaudit.results import StageRecord
from tests.attacks.releases import blobs, instahide, photographs
from tests.attacks.states import view_of

pytestmark = pytest.mark.usefixtures("one_thread")


#: a folder with kept networks, the answer of the attack that trained them, and its progress
Kept = tuple[Path, AttackOutput, list[str]]


OPTIONS = {"train": True, "train_steps": 2, "audit_seed": 5}


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Little measuring: tests are about what happens, not about how well."""
    monkeypatch.setattr(retraining, "MEASURED", 1)
    monkeypatch.setattr(retraining, "BATCH", 64)


def grey(x: np.ndarray) -> np.ndarray:
    result: np.ndarray = x.mean(-1, keepdims=True).astype(np.float32)
    return result


def release(size: int = 16, *, channels: int = 1, similar: int = FEWEST, **changes: Any) -> View:
    """A masked release of 8 photographs in grey or colour, and images like them."""
    sample = instahide(n=8, epochs=8, k=3, size=size)
    known, labels = photographs(similar, seed=77, size=size)
    x = sample.encodings
    if channels == 1:  # mixing is linear, so a mixture of grey images is the grey of the mixture; masked anew
        clean = instahide(n=8, epochs=8, k=3, size=size, mask=False).encodings
        mask = np.random.default_rng(0).integers(0, 2, (*clean.shape[:3], 1)) * 2 - 1
        x, known = grey(clean) * mask, grey(known)
    made = view_of(sample, encodings=x.astype(np.float32), similar=known, similar_labels=labels)
    return replace(made, **changes)


def noise(size: int) -> View:
    return View(encodings=blobs((4, size, size, 1)))


def context(folder: Path | None = None, **options: object) -> Context:
    store = FolderStore(folder) if folder else None
    return Context(seed=3, options={**OPTIONS, **options}, store=store)


def training(records: Sequence[StageRecord]) -> StageRecord:
    return next(r for r in records if r.name == "training")


def trained(view: View, ctx: Context) -> StageRecord:
    """The record of the training alone."""
    with own_networks.own_networks(start(view, ctx), ctx) as (state, _):
        return training(state.records)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    """A folder that a whole attack left its networks in, the attack's answer, and its progress."""
    folder = tmp_path_factory.mktemp("kept") / "networks"
    told: list[str] = []

    def progress(text: str, share: float | None = None) -> None:
        told.append(text)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(retraining, "MEASURED", 1)
        patch.setattr(retraining, "BATCH", 64)
        ctx = replace(context(folder), progress=progress)
        out = Carlini().run(release(), ctx)
    return folder, out, told


def test_the_whole_attack_on_a_shape_without_shipped_networks(kept: Kept) -> None:
    folder, out, told = kept
    assert out.images.shape[1:] == (16, 16, 1) and np.isfinite(out.images).all()
    names = [r.name for r in out.stages]
    assert names[:4] == ["training", "similarity", "grouping", "membership"] and names[-1] == "restoration"
    record = out.stages[0]
    assert record.variant == "own" and record.seconds > 0
    found = record.diagnostics
    for name in ("pair_auc", "pair_accuracy", "membership_auc", "membership_accuracy", "signs"):
        assert 0 <= found[f"held_out_{name}"] <= 1
    assert found["similar_images"] == FEWEST and found["public_from"] == "embedded photographs, resized"
    assert (
        found["steps"] == {"unmask": 2, "similarity": 2, "membership": 1}
        and found["reused"] == "none"
        and set(found["weights"]) == set(PARTS)
    )
    assert json.dumps(found)
    assert "1 channel" in out.stages[-1].diagnostics["skipped"] and out.stages[-1].diagnostics["moved"] == 0
    assert {p.name for p in folder.iterdir()} == {f"{p}{s}" for p in PARTS for s in (".json", ".safetensors")}
    assert any("training the similarity network, step 2 of 2" in line for line in told)


def test_a_second_run_uses_what_was_kept_and_answers_the_same(kept: Kept) -> None:
    folder, out, _ = kept
    again = Carlini().run(release(), context(folder))
    assert training(again.stages).diagnostics["reused"] == "unmask, similarity, membership"
    assert np.array_equal(again.images, out.images)


@pytest.mark.parametrize("change", ["steps", "seed", "images", "shape", "damaged", "membership lost"])
def test_what_was_kept_for_something_else_is_not_used(kept: Kept, tmp_path: Path, change: str) -> None:
    for path in kept[0].iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    view, ctx = release(), context(tmp_path)
    if change == "steps":
        ctx = context(tmp_path, train_steps=1)
    elif change == "seed":
        ctx = context(tmp_path, audit_seed=6)
    elif change == "images":
        assert view.similar is not None
        view = replace(view, similar=view.similar[:, ::-1])
    elif change == "shape":
        view = release(20)
    elif change == "damaged":
        (tmp_path / "unmask.safetensors").write_bytes(b"\0")
    else:
        (tmp_path / "membership.json").unlink()
    found = trained(view, ctx).diagnostics
    # a part trained again gives the same weights, so what was built on it still holds
    wanted = {"damaged": "similarity, membership", "membership lost": "unmask, similarity"}.get(change, "none")
    assert found["reused"] == wanted
    if change in ("damaged", "membership lost"):
        assert found["weights"] == training(kept[1].stages).diagnostics["weights"]


def test_controls_use_what_the_audit_trained_and_train_nothing(
    kept: Kept, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Retraining, "run", None)
    view = release(image_range=(0.0, 1.0), similar_labels=None)
    assert view.similar is not None
    found = trained(replace(view, similar=view.similar[:9]), context(kept[0], train="kept")).diagnostics
    assert found["reused"] == "unmask, similarity, membership"
    for ctx in (context(tmp_path, train="kept"), context(kept[0], train="kept", audit_seed=6), context(train="kept")):
        with pytest.raises(NotApplicable, match="no networks were trained for 16 x 16 x 1"):
            trained(view, ctx)


def test_the_shipped_shape_uses_the_shipped_networks_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Retraining, "run", None)
    view = View(encodings=blobs((4, 32, 32, 3)))
    record = trained(view, context())
    assert record.variant == "shipped" and "nothing was trained" in record.diagnostics["networks"]
    assert start(view, context()).observed.shape == SHAPE


@pytest.mark.parametrize(
    ("view", "message"),
    [
        (lambda: release(similar=12), rf"at least {FEWEST} images.*has 12; give more with --similar"),
        (
            lambda: replace(release(similar=12), similar=None),
            "give some with --similar, and in an audit add --knows distribution",
        ),
        (lambda: noise(12), "12 x 12 x 1.*smallest side is 16"),
        (lambda: noise(144), "144 x 144 x 1.*16,384 pixels are the most"),
    ],
)
def test_what_cannot_be_trained_is_one_sentence_that_names_the_remedy(view: Callable[[], View], message: str) -> None:
    with pytest.raises(NotApplicable, match=message) as e:
        Carlini().run(view(), replace(context(), profile="full"))  # the profile that works on every pixel
    assert str(e.value).count(". ") == 0


@pytest.mark.parametrize(("channels", "image_range"), [(4, (-1.0, 1.0)), (1, (0.0, 1.0))])
def test_other_channels_and_ranges_work_too(channels: int, image_range: tuple[float, float]) -> None:
    rng = np.random.default_rng(0)
    known = np.clip(photographs(FEWEST, seed=1, size=16)[0][..., :1] + rng.normal(size=channels) / 9, 0, 1)
    low, high = image_range
    x = low + (high - low) * known[rng.integers(0, 20, (40, 3))].mean(1)
    x *= rng.integers(0, 2, x.shape) * 2 - 1
    labels = np.full((40, 2), 0.3, np.float32)
    view = View(x.astype(np.float32), labels, image_range, similar=known.astype(np.float32))
    out = Carlini().run(view, context(train_steps=1))
    assert out.images.shape[1:] == (16, 16, channels) and np.isfinite(out.images).all()
    source = training(out.stages).diagnostics["public_from"]
    assert source == ("the similar images themselves" if channels == 4 else "embedded photographs, resized")


def test_without_train_the_reason_names_it() -> None:
    with pytest.raises(NotApplicable, match=r"32 x 32 x 3 encodings, these are 16 x 16 x 1; .*--train"):
        Carlini().run(release(), Context(seed=3))


def test_nothing_is_trained_for_an_attack_without_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Retraining, "run", None)
    out = Carlini("squares", "anneal", "none", restoration="none").run(release(), context())
    assert "training" not in [r.name for r in out.stages]


def test_releases_to_train_on_resemble_the_one_to_attack() -> None:
    soft = np.zeros((40, 4), np.float32)
    soft[np.arange(40), np.arange(40) % 4] = 0.4
    soft[np.arange(40), (np.arange(40) + 1) % 4] = 0.3
    slots = read_slots(soft, 40)
    mixed = releases_like(slots, (-1.0, 1.0))
    assert mixed.k == (3, 10) and mixed.private == ((2, 1.0),) and mixed.unknown == 0 and mixed.plain < 1
    alone = releases_like(replace(slots, mass=np.full((40, 2), 0.5, np.float32)), (0.0, 1.0))
    assert alone.k == (2, 2) and alone.image_range == (0.0, 1.0) and alone.plain == 1
    blind = releases_like(read_slots(None, 40), (-1.0, 1.0))
    assert blind.unknown == 1 and blind.k[0] == 2 and blind.k[1] >= 10
