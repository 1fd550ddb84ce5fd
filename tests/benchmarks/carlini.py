"""Measures the attack `carlini`, one Markdown row per setting; reports/measurements/carlini.md comes of it.

``python -m tests.benchmarks.carlini recovery --seed 11 12 13``: recovery alone, from the truth.
``python -m tests.benchmarks.carlini attack --seed 11 12 13 [--spec carlini:recovery=em] [--k 4 6] [--epochs 10 50]``:
all of it, with what every stage got right and took.
``python -m tests.benchmarks.carlini flow``: solvers of the assignment.

Private images: cifar10_eval; public ones: photographs of imagenet_patches that no network was trained on.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from itertools import product

import numpy as np
import torch

from ihaudit.attacks.numerics.flow import Capacity, balanced_targets, soft_slack, solve
from ihaudit.attacks.numerics.gradient import descend_adam
from ihaudit.attacks.numerics.labels import Slots
from ihaudit.attacks.numerics.mixing import Reconstruction
from ihaudit.attacks.numerics.sizes import Sizes
from ihaudit.attacks.recipe import start
from ihaudit.attacks.stages.restoration.recolour73 import pixels_of
from ihaudit.attacks.stages.state import Assigned, Grouped, Recovered, State
from ihaudit.contracts.attack import get_stage
from ihaudit.contracts.configure import configure
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import View
from ihaudit.errors import NotApplicable
from ihaudit.metrics.ssim import ssim_challenge
from ihaudit.nn.fitting import TrainConfig
from ihaudit.nn.recolour import fit
from ihaudit.nn.sources import load_split
from ihaudit.release import Provenance, Release, Truth
from ihaudit.scoring.reconstructions import score_attack
from tests.attacks.numerics.flow_network import solve_networkx
from tests.attacks.releases import Sample
from tests.benchmarks.attacks import reference
from tests.data import DATA


def held_out() -> np.ndarray:
    """uint8 public images, of photographs that no network saw."""
    return load_split(DATA).held_patches


def true_state(sample: Sample) -> State:
    """A state in which pairing and coefficients are known."""
    view = View(encodings=sample.encodings, labels=sample.labels, image_range=(-1.0, 1.0))
    lam, n = sample.lambdas[:, :2].copy(), len(sample.images)
    slots = Slots(np.zeros(lam.shape, np.int64), lam, np.zeros(len(lam), bool), 1, True)
    state = start(view, Context(seed=0))
    sizes = Sizes(np.array([n]), 2 * len(lam) / n, True, "the truth")
    state = replace(state, observed=replace(state.observed, slots=slots))
    return state.having(Grouped([np.arange(n)], sizes), Assigned(sample.members, lam))


def shown(rows: torch.Tensor, sample: Sample) -> float:
    """Mean ``ssim_challenge`` of pixels float32 (N, H, W, C) on [-1, 1]."""
    return float(ssim_challenge(((rows + 1) / 2).clamp(0, 1).numpy(), sample.images).mean())


def refit(rows: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """The best that a 73-parameter network could do: fitted on these very images."""
    net, _ = fit(rows.reshape(-1, 3), truth.reshape(-1, 3), TrainConfig(steps=1000, rate=1e-2))
    with torch.no_grad():
        result: torch.Tensor = net(rows)
        return result


def recovery(seeds: list[int], variants: list[str], ks: list[int], epochs: list[int]) -> None:
    """Recovery from the truth."""
    for k, t in product(ks, epochs):
        print(f"k = {k}, T = {t}")
        _recovery(seeds, variants, k, t)


def _recovery(seeds: list[int], variants: list[str], k: int, t: int) -> None:
    public = held_out()
    print(
        "| seed | recovery | ssim_challenge before recolouring | after | best 73 parameters | negative values | CPU s |"
    )
    print("|---" * 7 + "|")
    for seed in seeds:
        sample = reference(seed, epochs=t, k=k, public=public)
        truth = torch.from_numpy(sample.images * 2 - 1)
        state = true_state(sample)
        for variant in variants:
            ctx, cpu = Context(seed=seed), time.process_time()
            if variant == "gradient-zero+masks":
                bare = reference(seed, epochs=t, k=k, public=public, mask=False).encodings
                signed = torch.from_numpy(bare.transpose(0, 3, 1, 2).reshape(len(bare), -1).copy())
                images = descend_adam(signed, state.mixing().dense[:, :-1].contiguous(), signed=True)
                images = torch.cat([images, torch.zeros_like(images[:1])])
                found = state.having(Recovered(Reconstruction(images, torch.ones(1))))
            else:
                found = state.run(ctx, "recovery", variant)
            cpu = time.process_time() - cpu
            rows = found.require(Recovered).estimate.images[:-1]
            plain, _ = pixels_of(found, variant if variant == "gradient-zero" else "")
            after = "" if variant.endswith("masks") else _restored(found, ctx, sample)
            best = shown(refit(plain, truth), sample)
            print(
                f"| {seed} | {variant} | {shown(plain, sample):.3f} | {after} | {best:.3f} "
                f"| {float((rows < 0).float().mean()):.2f} | {cpu:.0f} |",
                flush=True,
            )
            if variant == "gradient-zero":
                c, h, w = state.observed.shape
                size = rows.abs().view(-1, c, h, w).permute(0, 2, 3, 1) * truth.sign()
                print(
                    f"| {seed} | the same, each value given its true sign | {shown(size, sample):.3f} | "
                    f"| {shown(refit(size, truth), sample):.3f} | {float((size < 0).float().mean()):.2f} | |",
                    flush=True,
                )


def _restored(found: State, ctx: Context, sample: Sample) -> str:
    try:
        done, _ = get_stage("restoration", "recolour73")(found, ctx)
    except NotApplicable:  # no weights yet
        return "–"
    assert done.images is not None
    return f"{float(ssim_challenge(done.images, sample.images).mean()):.3f}"


class Clock:
    """CPU seconds of every stage, taken where the attack announces it."""

    def __init__(self) -> None:
        self.marks: list[tuple[str, float]] = []

    def __call__(self, message: str, fraction: float | None = None) -> None:
        if fraction is None:
            self.marks.append((message, time.process_time()))

    def spent(self) -> dict[str, float]:
        """Stage -> CPU seconds."""
        ends = [at for _, at in self.marks[1:]] + [time.process_time()]
        out: dict[str, float] = {}
        for (name, at), end in zip(self.marks, ends, strict=True):
            out[name] = out.get(name, 0.0) + end - at
        return out


def attack(seeds: list[int], specs: list[str], ks: list[int], epochs: list[int], profile: str, hint: bool) -> None:
    """Whole attacks, scored as an audit scores them."""
    public = held_out()
    print(
        "| attack | k | T | seed | images found | pair AUC / acc | clique purity | assignment | lambda error "
        "| Max_SSIM | Mean_SSIM | Min_L2 | Mean_L2 | ssim_challenge | ssim | wall s | CPU s (stages) |"
    )
    print("|---" * 17 + "|")
    for k in ks:
        for t in epochs:
            for seed in seeds:
                sample = reference(seed, epochs=t, k=k, public=public)
                view = View(
                    encodings=sample.encodings,
                    labels=sample.labels,
                    image_range=(-1.0, 1.0),
                    hints={"n_private": 100} if hint else {},
                )
                truth = Truth(sample.images, np.zeros(100, np.int64), Provenance(sample.members, sample.lambdas[:, :2]))
                for spec in specs:
                    clock = Clock()
                    wall, cpu = time.perf_counter(), time.process_time()
                    ctx = Context(seed=seed, profile=profile, progress=clock)  # type: ignore[arg-type]
                    out = configure(spec).run(view, ctx)
                    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
                    stages = " ".join(f"{name} {s:.0f}" for name, s in clock.spent().items())
                    scored = score_attack(out, truth, Release(sample.encodings, sample.labels, (-1.0, 1.0)))
                    m = {name: f"{e.value:.3f}" for name, e in scored.metrics.items() if e.value is not None}
                    q = {f: v for figures in scored.quality.values() for f, v in figures.items()}
                    print(
                        f"| {spec} | {k} | {t} | {seed} | {len(out.images)} | {_f(q, 'pair_auc')} / "
                        f"{_f(q, 'pair_accuracy')} | {_f(q, 'clique_purity')} | {_f(q, 'assignment_accuracy')} "
                        f"| {_f(q, 'lambda_error')} | {m.get('max_ssim')} | {m.get('mean_ssim')} | {m.get('min_l2')} "
                        f"| {m.get('mean_l2')} | {m['ssim_challenge']} | {m['ssim']} "
                        f"| {wall:.0f} | {cpu:.0f} ({stages}) |",
                        flush=True,
                    )


def _f(values: dict[str, float | None], name: str) -> str:
    value = values.get(name)
    return "–" if value is None else f"{value:.3f}"


def flow() -> None:
    """Solvers of the assignment on random problems without labels: 2.5 nats of evidence for each true pair."""
    print("| encodings | sets | capacities | HiGHS CPU s | networkx CPU s | same total |")
    print("|---" * 6 + "|")
    rng = np.random.default_rng(0)
    for e, r in ((500, 10), (1000, 20), (2000, 40), (5000, 100)):
        truth = np.stack([rng.permutation(np.arange(e) % r) for _ in range(2)], 1)
        gain = rng.normal(size=(e, r))
        np.put_along_axis(gain, truth, np.take_along_axis(gain, truth, 1) + 2.5, 1)
        supply, target = np.full(e, 2), balanced_targets(2 * e, r).astype(float)
        for name, slack in (("exact", np.zeros(0)), ("soft", soft_slack(2 * e / r))):
            capacity = Capacity(target, slack)
            began = time.process_time()
            ours = solve(gain, supply, capacity).chosen
            middle = time.process_time()
            theirs = solve_networkx(gain, supply, capacity)
            end = time.process_time()
            same = abs(gain[ours].sum() - gain[theirs].sum()) < 1e-3 * e
            print(f"| {e} | {r} | {name} | {middle - began:.2f} | {end - middle:.2f} | {same} |", flush=True)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["recovery", "attack", "flow"])
    parser.add_argument("--seed", type=int, nargs="+", default=[11])
    parser.add_argument(
        "--variant", nargs="+", default=["gradient-zero", "gradient-zero+masks", "gradient-spectral", "gradient", "em"]
    )
    parser.add_argument("--spec", nargs="+", default=["carlini"])
    parser.add_argument("--k", type=int, nargs="+", default=[6])
    parser.add_argument("--epochs", type=int, nargs="+", default=[50])
    parser.add_argument("--profile", default="standard", choices=["quick", "standard", "full"])
    parser.add_argument("--hint", action="store_true", help="state the number of private images, as a challenge does")
    a = parser.parse_args()
    if a.what == "flow":
        flow()
    elif a.what == "recovery":
        recovery(a.seed, a.variant, a.k, a.epochs)
    else:
        attack(a.seed, a.spec, a.k, a.epochs, a.profile, a.hint)


if __name__ == "__main__":
    main()
