"""Encoders that hold nothing, attack by attack, over many seeds: ``python -m tests.benchmarks.nulls [NAME ...]``.

Each seed draws other private images, known images and randomness.  Prints, for every null and attack, in how many seeds
it answered anything, in how many it broke the null (an alarm that is false by construction), the mean of what was
re-identified above chance, and the highest confidence said of any image that was answered for.
Images are small, and the decoder has the budget of a control: 20 seeds take minutes.

``--games`` plays games too, or alone after ``--attacks none``, with the trials of a quick audit; the mean is then that
of the advantage.  ``--attacks all --games all`` is what a quick audit plans, with the checks of the release and of
behaviour, for the adversary of the claims, without controls; ``--bits 12`` makes deep images.  The last line counts
audits, and what was broken in them.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import defaultdict
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
from skimage.transform import resize

from ihaudit.audit.behaviour import behaviour
from ihaudit.audit.checks import release_checks
from ihaudit.audit.data import load_data
from ihaudit.audit.known import encode_with_known
from ihaudit.audit.options import AuditOptions
from ihaudit.audit.plan import Played, choose_adversary, plan_items
from ihaudit.audit.profiles import get_profile
from ihaudit.audit.run_item import run_item
from ihaudit.audit.subject import Audited
from ihaudit.audit.worker import AttackWorker
from ihaudit.contracts.context import Context, derive_seed
from ihaudit.results import Finding
from ihaudit.sandbox import Limits, SchemeProcess
from ihaudit.sandbox.elsewhere import Elsewhere
from ihaudit.sandbox.loader import locate
from ihaudit.scheme import DEFAULT_ADVERSARY
from tests.data import load_images

NULLS = ("label-only", "cipher", "one-time-pad form=vector", "one-time-pad form=tokens", "constant", "noise")
ATTACKS = ("match", "linear", "everything", "decoder")


def small(source: str, edge: int, channels: int, count: int, folder: Path, bits: int = 8) -> Path:
    """Images of `source` at another size and depth, with their labels, as a file in `folder`."""
    images, labels = load_images(source)
    some = np.random.default_rng(0).permutation(len(images))[:count]
    pictures = images[some].mean(axis=3, keepdims=True) if channels == 1 else images[some]
    out = np.stack([resize(p, (edge, edge, channels), anti_aliasing=True) for p in pictures])
    path = folder / f"{source}.npz"
    deep = np.round(out * (2**bits - 1)).astype(np.uint8 if bits <= 8 else np.uint16)
    named = {"labels": labels[some]} if len(np.unique(labels)) > 1 else {}
    np.savez(path, allow_pickle=False, images=deep, **named)
    return path


def findings(
    name: str, private: Path, n: int, seed: int, asked: Mapping[Played, tuple[str, ...] | None], worker: AttackWorker
) -> list[Finding]:
    """What the attacks and games of a quick audit make of one null."""
    profile = get_profile("quick")
    data = load_data(AuditOptions(scheme="identity", private=str(private), n_private=n, seed=seed), profile)
    reference, *sets = name.split()
    given = dict(s.split("=", 1) for s in sets)
    whole = None in asked.values()
    source = locate(reference)
    with SchemeProcess(source, given, public=data.public.images, limits=Limits()) as scheme:
        adversaries = [choose_adversary(None, scheme.card.claims)] if whole else [DEFAULT_ADVERSARY]
        items = plan_items(asked, profile, adversaries, ", ".join)
        known = data.records(profile.n_known)
        release, pairs = encode_with_known(scheme, data.private, known, derive_seed(seed, "release"))
        subject = Audited.of(release, data, scheme, pairs=pairs)
        ctx = Context(seed=seed, profile="quick", encoder_s=60.0, options={"control": True})
        made = [f for i in items if not i.reason for f in run_item(i, subject, worker, ctx)]
        if whole:
            start = partial(Elsewhere, source, given, public=data.public.images, limits=Limits(), hidden=())
            made += behaviour(scheme, lambda answers: start(answers=answers), data.population(), source.text, seed)
        return [*made, *release_checks(subject.release, subject.truth)]


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=list(NULLS), help="a scheme with its parameters, in quotes")
    parser.add_argument("--source", default="mednist", help="images, whose classes look alike here")
    parser.add_argument("--edge", type=int, default=16)
    parser.add_argument("--channels", type=int, default=1)
    parser.add_argument("--bits", type=int, default=8)
    parser.add_argument("--n", type=int, default=40, help="private images")
    parser.add_argument("--seeds", type=int, nargs=2, default=(101, 120), help="the first and the last")
    parser.add_argument("--attacks", nargs="+", default=list(ATTACKS))
    parser.add_argument("--games", nargs="+", default=["none"])
    a = parser.parse_args()
    every: dict[Played, list[str]] = {"attack": a.attacks, "game": a.games}
    asked: dict[Played, tuple[str, ...] | None] = {k: None if v == ["all"] else tuple(v) for k, v in every.items()}
    seeds = range(a.seeds[0], a.seeds[1] + 1)
    print("| null | item | seeds | answered | broke | re-identified above chance, or advantage | confidence | CPU s |")
    print("|---" * 8 + "|")
    with tempfile.TemporaryDirectory(prefix="nulls-") as folder, AttackWorker() as worker:
        path = small(a.source, a.edge, a.channels, 1200, Path(folder), a.bits)
        audits, alarms = 0, []
        for name in a.names:
            found = defaultdict(list)
            for seed in seeds:
                made = findings(name, path, a.n, seed, asked, worker)
                audits += 1
                alarms += [f"{name} {seed}: {f.id}" for f in made if f.status == "broken"]
                for f in made:
                    found[f.id].append(f)
            for id_, rows in found.items():
                ran = [f for f in rows if f.status != "not run"]
                game = rows[0].kind == "game"
                answered = len(ran) if game else sum(bool(f.details.get("matched")) for f in ran)
                broke = sum(f.status == "broken" for f in ran)
                metric = "advantage" if game else "reid_above_chance"
                above = [e.value for f in ran if (e := f.metrics.get(metric)) and e.value is not None]
                mean = f"{np.mean(above):.3f}" if above else "-"
                said = [np.nanmax(c) for f in ran if np.isfinite(c := np.asarray(f.arrays.get("confidence", []))).any()]
                cells = [
                    name,
                    id_,
                    f"{len(ran)} of {len(rows)}",
                    answered,
                    broke,
                    mean,
                    f"{max(said):.2f}" if said else "-",
                    f"{sum(f.cost.cpu_s for f in rows):.0f}",
                ]
                print(f"| {' | '.join(map(str, cells))} |", flush=True)
    print(f"\n{audits} audits, broken in {len(alarms)}: {'; '.join(alarms) or 'none'}")


if __name__ == "__main__":
    main()
