"""`--train`: networks of one's own for a release whose shape none are shipped for, trained before the attack begins.

They are trained on the adversary's own images (`ihaudit.attacks.own.images`) and kept in the
auditor's store, so that the next run with the same shape, images, steps and seed begins where this one did.

Options of the context: ``train`` (True: train where the shape asks for it; ``"kept"``: use what is kept for this shape
and train nothing, as the controls do), ``train_steps``, ``audit_seed`` (the training's seed: all attacks of an audit
share its networks).
"""

from __future__ import annotations

import hashlib
import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from ihaudit.attacks.numerics.labels import Slots
from ihaudit.attacks.own.images import OwnImages, own_images
from ihaudit.attacks.stages.state import State
from ihaudit.contracts.context import Context
from ihaudit.errors import NotApplicable
from ihaudit.nn.releases import ReleaseConfig
from ihaudit.nn.retraining import PARTS, Recipe, Retraining
from ihaudit.nn.similarity import SHAPE
from ihaudit.nn.unet import MIN_SIDE
from ihaudit.nn.weights import digests

#: Steps of `--train-steps` where nothing else is said, and pixels beyond which a step takes a minute on two cores.
STEPS, MOST_PIXELS = 800, 128 * 128
#: Label mass below which nothing is left for public images.
NO_PUBLIC = 0.01
#: Cards say it of networks trained by this recipe; another number when it changes.
VERSION = 1


@contextmanager
def own_networks(state: State, ctx: Context) -> Iterator[tuple[State, Context]]:
    """The state with a record ``training``, and the context in which network stages find weights for this release.

    Without the option ``train``, or where the user named weights, both are as they came.

    Raises:
        NotApplicable: the adversary lacks images to train on, the encodings are too small or too large, or nothing is
            kept where nothing may be trained.
    """
    wish = ctx.options.get("train")
    if not wish or ctx.options.get("similarity_weights"):
        yield state, ctx
        return
    began = time.perf_counter()
    if state.observed.shape == SHAPE:
        note = "the shipped networks are for this shape; nothing was trained"
        yield state.recorded("training", "shipped", {"networks": note}), ctx
        return
    with tempfile.TemporaryDirectory(prefix="ihaudit-") as name:
        folder = Path(name)
        diagnostics = _kept_for(state, ctx, folder) if wish == "kept" else _trained(state, ctx, folder)
        seconds = time.perf_counter() - began
        files = {f"{part}_weights": str(folder / f"{part}.safetensors") for part in ("similarity", "membership")}
        inner = replace(ctx, options={**ctx.options, **files})
        yield state.recorded("training", "own", diagnostics, seconds), inner


def releases_like(slots: Slots, image_range: tuple[float, float]) -> ReleaseConfig:
    """Releases to train on that resemble the one to attack, by what it tells openly.

    Args:
        slots: of the release's labels.
        image_range: of the images as mixed.
    """
    private = slots.count
    mixes_public = not slots.informative or float(np.median(slots.share)) > NO_PUBLIC
    k = (private + 1, max(10, private + 1)) if mixes_public else (private, private)
    same = round(float(np.clip(slots.shared.mean(), 0.02, 0.5)), 2) if slots.informative else 0.1
    return ReleaseConfig(
        k=k if slots.informative else (max(2, private), max(10, private)),
        private=((private, 1.0),),
        image_range=image_range,
        # where all values are positive, a drawn normalisation would invent signs that the release does not have
        plain=1.0 if image_range[0] >= 0 else 0.85,
        moved=0.1,
        unknown=0.0 if slots.informative else 1.0,
        same_class=same,
        # without classes every encoding is compared with every other
        any_class=1.0 if slots.classes == 1 else 0.25,
    )


def _trained(state: State, ctx: Context, folder: Path) -> dict[str, Any]:
    """Every part, kept or trained, in `folder`; the diagnostics."""
    c, h, w = state.observed.shape
    if min(h, w) < MIN_SIDE:
        raise NotApplicable(
            f"networks for {h} x {w} x {c} encodings cannot be trained: the smallest side is {MIN_SIDE}; "
            "use similarity=squares and assignment=likelihood"
        )
    if h * w > MOST_PIXELS:
        raise NotApplicable(
            f"networks for {h} x {w} x {c} encodings would take days to train: {MOST_PIXELS:,} pixels are the most; "
            "use similarity=squares and assignment=likelihood"
        )
    steps, seed = _asked(ctx)
    images = own_images(state.observed.view, state.observed.shape, seed)
    recipe = Recipe(
        state.observed.shape,
        releases_like(state.observed.slots, state.observed.image_range),
        steps,
        seed,
        device=ctx.device,
    )
    key = _key(recipe, images)
    made = {"trained_on": _words(images), "made_for": key}
    pools = (images.train, images.validate, images.measure)
    training = Retraining(recipe, pools, folder, made, ctx.progress)
    facts: dict[str, dict[str, Any]] = {}
    reused: list[str] = []
    for part in PARTS:
        card = _fetch(ctx, folder, part, key)
        # a head belongs to the embeddings that it was trained on
        if card is not None and part == "membership" and card.get("encoder") != facts["similarity"].get("sha256"):
            card = None
        if card is None:
            card = training.run(part) | {"sha256": _sha256(training.path(part))}
            _keep(ctx, folder, part)
        else:
            reused.append(part)
        facts[part] = card
    return _diagnostics(facts, reused, images.sources)


def _kept_for(state: State, ctx: Context, folder: Path) -> dict[str, Any]:
    """Networks that this audit trained for this shape, whatever range or number of images they were made for."""
    c, h, w = state.observed.shape
    steps, seed = _asked(ctx)
    facts = {}
    for part in PARTS:
        card = _fetch(ctx, folder, part, None) or {}
        made = card.get("made_for", {})
        if [made.get(name) for name in ("shape", "steps", "seed")] != [list(state.observed.shape), steps, seed]:
            raise NotApplicable(f"no networks were trained for {h} x {w} x {c} encodings")
        facts[part] = card
    if facts["membership"].get("encoder") != facts["similarity"]["sha256"]:
        raise NotApplicable(f"the networks kept for {h} x {w} x {c} encodings do not belong together")
    return _diagnostics(facts, list(PARTS), {})


def _asked(ctx: Context) -> tuple[int, int]:
    """Steps and seed of a training."""
    return int(ctx.options.get("train_steps", STEPS)), int(ctx.options.get("audit_seed", ctx.seed)) % 2**31


def _diagnostics(facts: dict[str, dict[str, Any]], reused: list[str], sources: dict[str, Any]) -> dict[str, Any]:
    """What the report says: held-out figures of every part, on images that neither trained nor stopped it."""
    held = {part: facts[part]["held_out"] for part in PARTS}
    return {
        "held_out_signs": held["unmask"]["signs"],
        "held_out_pair_accuracy": held["similarity"]["accuracy"],
        "held_out_pair_auc": held["similarity"]["auc"],
        "held_out_membership_accuracy": held["membership"]["accuracy"],
        "held_out_membership_auc": held["membership"]["auc"],
        **sources,
        "steps": {part: facts[part]["steps"] for part in PARTS},
        "reused": ", ".join(reused) or "none",
        "weights": {part: facts[part]["sha256"] for part in PARTS},
    }


def _key(recipe: Recipe, images: OwnImages) -> dict[str, Any]:
    """What kept networks must have in common with those asked for, JSON-able."""
    start = {name: digests().get(f"{name}.safetensors") for name in ("unmix", "similarity")}
    key = {
        "recipe": VERSION,
        "shape": recipe.shape,
        "images": images.digests,
        "steps": recipe.steps,
        "seed": recipe.seed,
        "releases": asdict(recipe.releases),
        "starts_from": start,
    }
    return dict(json.loads(json.dumps(key)))


def _words(images: OwnImages) -> str:
    return (
        f"{images.sources['similar_images']} images like the private ones (of which {len(images.validate.similar)} "
        f"chose the best step and {len(images.measure.similar)} measured it), {images.sources['public_from']}"
    )


# -- the store --------------------------------------------------------------------------------------------------------


def _fetch(ctx: Context, folder: Path, part: str, key: dict[str, Any] | None) -> dict[str, Any] | None:
    """Writes what is kept of a part into `folder`; its card, or None where it is missing, damaged or another's."""
    if ctx.store is None:
        return None
    text, data = ctx.store.read(f"{part}.json"), ctx.store.read(f"{part}.safetensors")
    if text is None or data is None:
        return None
    try:
        card: dict[str, Any] = json.loads(text)
        good = card["sha256"] == hashlib.sha256(data).hexdigest() and key in (None, card["made_for"])
    except (ValueError, KeyError, TypeError):
        return None
    if not good:
        return None
    (folder / f"{part}.json").write_bytes(text)
    (folder / f"{part}.safetensors").write_bytes(data)
    return card


def _keep(ctx: Context, folder: Path, part: str) -> None:
    if ctx.store is not None:
        for suffix in (".safetensors", ".json"):
            ctx.store.write(f"{part}{suffix}", (folder / f"{part}{suffix}").read_bytes())


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
