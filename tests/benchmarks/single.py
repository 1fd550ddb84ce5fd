"""Measures `single` and `recolour`: ``python -m tests.benchmarks.single [--encodings 100] [--k 2 3 4 6] ...``.

Private images: cifar10_eval.  Public images: 10,000 that the network was not trained on, CIFAR-10 (as published) or
patches of photographs.  Coefficients as in the reference benchmark.  One Markdown table row per setting.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ihaudit.attacks.single import RecolourAttack, SingleAttack
from ihaudit.audit.worker import peak_memory_mb, reset_peak_memory
from ihaudit.contracts.attack import AttackOutput
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import View
from ihaudit.metrics.ssim import ssim
from ihaudit.nn.sources import load_split
from ihaudit.release import Release
from ihaudit.scheme import Knowledge
from ihaudit.schemes.instahide import InstaHide
from tests.data import DATA

HEAD = (
    "| public | k | private | attack | all found | half found | found, λ > 0.05 | false per encoding | λ error | "
    "signs right | SSIM mixture | SSIM private: mean | median | above 0.5 | flat colour | CPU s | wall s | MB |\n"
    + "|---" * 18
    + "|"
)


@dataclass
class Setting:
    """One release: k images per encoding, `private` of them private, `public` float32 (M, H, W, C) in [0, 1]."""

    name: str
    public: np.ndarray
    k: int
    private: int


def release(setting: Setting, images: np.ndarray, labels: np.ndarray, seed: int) -> Release:
    """One encoding per private image."""
    scheme = InstaHide(k=setting.k, epochs=1, private_per_encoding=setting.private)
    return scheme.encode(images, labels, setting.public, np.random.default_rng(seed))


def view_of(r: Release, public: np.ndarray | None, code: Setting | None = None) -> View:
    """What the adversary of section 4.8.1 sees; with `code` also how many images are mixed."""
    known = None
    if code is not None:
        known = {"name": "InstaHide", "parameters": {"k": code.k, "private_per_encoding": code.private}}
    knows = {Knowledge.ENCODINGS, Knowledge.LABELS} | ({Knowledge.PUBLIC_SET} if public is not None else set())
    return View(r.encodings, r.labels, r.image_range, knows=frozenset(knows), public_set=public, code=known)


def public_found(output: AttackOutput, r: Release) -> dict[str, float]:
    """Shares of encodings whose public images are all, at least half found; of strong images; false ones."""
    p = r.provenance
    assert p is not None and p.public_sources is not None and p.public_coefficients is not None
    every = half = false = strong = strong_found = 0
    errors: list[float] = []
    members, fitted = output.diagnostics["public_members"], output.diagnostics["public_coefficients"]
    for e, (found, weights) in enumerate(zip(members, fitted)):
        true = set(p.public_sources[e].tolist())
        got = {m: w for m, w in zip(found, weights) if m >= 0}
        hits = len(true & got.keys())
        every += hits == len(true)
        half += 2 * hits >= len(true)
        false += len(got.keys() - true)
        for m, lam in zip(p.public_sources[e].tolist(), p.public_coefficients[e].tolist()):
            if lam > 0.05:
                strong, strong_found = strong + 1, strong_found + (m in got)
            if m in got:
                errors.append(abs(got[m] - lam))
    n = len(members)
    return {
        "all": every / n,
        "half": half / n,
        "strong": strong_found / max(1, strong),
        "false": false / n,
        "error": float(np.mean(errors)) if errors else float("nan"),
    }


def measure(
    attack: SingleAttack | RecolourAttack, setting: Setting, r: Release, images: np.ndarray, code: bool = False
) -> str:
    """Run one attack on one release; a table row."""
    reset_peak_memory()
    wall, cpu = time.perf_counter(), time.process_time()
    blind = isinstance(attack, RecolourAttack)
    seen = view_of(r, None if blind else setting.public, setting if code else None)
    output = attack.run(seen, Context(seed=1, profile="standard"))
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    p = r.provenance
    assert p is not None and p.masks is not None and output.unmasked is not None
    n = len(output.images)
    truth = r.encodings[:n] * p.masks[:n]
    magnitude = np.abs(truth)
    signs = ((np.sign(output.unmasked[:n]) == np.sign(truth)) * magnitude).sum((1, 2, 3)) / magnitude.sum((1, 2, 3))
    mixture = ssim(*(np.clip((x + 1) / 2, 0, 1) for x in (output.unmasked[:n], truth)))
    # With several private images in an encoding the one it holds most of is what its guess should show.
    assert p.coefficients is not None
    most = p.sources[np.arange(n), p.coefficients[:n].argmax(1)]
    private = images[most]
    score = ssim(output.images, private)
    flat = ssim(np.broadcast_to(private.mean((1, 2), keepdims=True), private.shape), private)
    found = None if blind else public_found(output, r)
    name = (
        "recolour"
        if blind
        else "single"
        + ("" if isinstance(attack, RecolourAttack) or attack.matching == "filter" else " (SSIM, 1/k: as published)")
    )
    name += ", k known" if code else ""
    cells = [setting.name, setting.k, setting.private, name]
    if found is None:
        cells += ["–"] * 5
    else:
        cells += [f"{found[x]:.0%}" for x in ("all", "half", "strong")]
        cells += [f"{found['false']:.2f}", f"{found['error']:.3f}"]
    cells += [f"{signs.mean():.1%}", f"{mixture.mean():.3f}", f"{score.mean():.3f}", f"{np.median(score):.3f}"]
    cells += [
        f"{(score > 0.5).mean():.0%}",
        f"{flat.mean():.3f}",
        f"{cpu:.0f}",
        f"{wall:.0f}",
        f"{peak_memory_mb():.0f}",
    ]
    return "| " + " | ".join(map(str, cells)) + " |"


def main() -> None:
    """See the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--encodings", type=int, default=100)
    parser.add_argument("--public", type=int, default=10_000)
    parser.add_argument("--k", type=int, nargs="+", default=[4, 2, 3, 6])
    parser.add_argument("--private", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--sets", nargs="+", default=["CIFAR-10", "photographs"])
    parser.add_argument("--attacks", nargs="+", default=["single"], help="single, recolour, ssim")
    parser.add_argument("--code", action="store_true", help="the adversary knows k and how many images are private")
    parser.add_argument("--weights", default="")
    parser.add_argument("--seed", type=int, default=0)
    o = parser.parse_args()
    split = load_split(Path(DATA))
    pools = {"CIFAR-10": split.held_cifar, "photographs": split.held_patches}
    with np.load(DATA / "cifar10_eval.npz") as z:
        rows = np.random.default_rng(o.seed).permutation(len(z["images"]))[: o.encodings]
        images, labels = z["images"][rows].astype(np.float32) / 255, z["labels"][rows].astype(np.int64)
    attacks: dict[str, SingleAttack | RecolourAttack] = {
        "single": SingleAttack(weights=o.weights),
        "recolour": RecolourAttack(weights=o.weights),
        "ssim": SingleAttack(matching="ssim", weights=o.weights, k=4),
    }
    print(HEAD, flush=True)
    for name in o.sets:
        public = pools[name][: o.public].astype(np.float32) / 255
        for k in o.k:
            for private in o.private:
                if private >= k:
                    continue
                setting = Setting(name, public, k, private)
                r = release(setting, images, labels, o.seed)
                for which in o.attacks:
                    print(measure(attacks[which], setting, r, images, o.code), flush=True)


if __name__ == "__main__":
    main()
