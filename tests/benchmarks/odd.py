"""Odd data with the public set known: ``python -m tests.benchmarks.odd [--only NAME ...] [--seed 801]``, ``--list`` for
the names.

Every release departs from one setting in one way: N = 20 images of cifar10_eval, T = 6, k = 4, two of them private,
weighted labels, 2,000 held-out patches, all of which the attack is handed, and the encodings with their range; nothing
else is told.  Prints one Markdown row per release: pinned SSIM over the private images of `unmix` and of `unmix-public`
(one run: `unmix` is its answer before public images are looked for), the answers, how many of them are said to be as
good as exact, the worst of these, and what was said of all.  An answer that is said to be exact and shows the same
picture as another is judged by the private image nearest to it.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import zoom
from scipy.optimize import linear_sum_assignment

from ihaudit.attacks.recipe import answer
from ihaudit.attacks.stages.state import State
from ihaudit.attacks.unmix import Unmix
from ihaudit.attacks.unmix_public import UnmixPublic
from ihaudit.contracts.attack import AttackOutput
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import View
from ihaudit.errors import NotApplicable
from ihaudit.metrics.matching import correlation
from ihaudit.metrics.ssim import ssim
from ihaudit.nn.sources import load_split
from ihaudit.scheme import Knowledge
from tests.attacks.releases import Sample
from tests.benchmarks.attacks import reference, released
from tests.data import DATA, load_images

#: Confidence from which an answer is said to be exact: `unmix-public` says 0.995 of those.
EXACT = 0.99
HEAD = (
    "| release | images | `unmix` | worst | `unmix-public` | worst | answers | said to be exact | worst of these "
    "| said / off | most said too much | explained | CPU s |\n" + "|---" * 13 + "|"
)
#: Images float32 (M, H, W, C), from 0 to 255.
Images = NDArray[Any]
Draw = Callable[[Images, np.random.Generator], Images]


@dataclass(frozen=True)
class Odd:
    """How a release departs from the common setting.

    Attributes:
        n, epochs, public_count: numbers of private images, permutations and public images, where they are others.
        k, slots, inside, uneven, equal, mask: see `tests.benchmarks.attacks.reference` (`slots` images are private).
        private, public: data sets that images are drawn from; "patches" are held-out patches of photographs.
        private_as, public_as: what is done to images before they are mixed.
        handed: which public images the attack is given, of those that were mixed in.
        encodings: what is done to encodings at last, and the range that images are then said to be mixed in.
    """

    n: int | None = None
    epochs: int | None = None
    k: int = 4
    slots: int = 2
    labels: Literal["soft", "hard", "none"] = "soft"
    inside: bool = False
    uneven: bool = False
    equal: bool = False
    mask: bool = True
    private: str = "cifar10_eval"
    public: str = "patches"
    public_count: int | None = None
    private_as: Sequence[Draw] = ()
    public_as: Sequence[Draw] = ()
    handed: Draw | None = None
    encodings: Draw | None = None
    image_range: tuple[float, float] = (-1.0, 1.0)


def _grey(x: Images, _: np.random.Generator) -> Images:
    return np.asarray(x.mean(3, keepdims=True))


def _small(x: Images, _: np.random.Generator) -> Images:
    return np.asarray(x.reshape(len(x), x.shape[1] // 2, 2, x.shape[2] // 2, 2, -1).mean((2, 4)))


def _large(x: Images, _: np.random.Generator) -> Images:
    return np.asarray(zoom(x, (1, 2, 2, 1), order=1, grid_mode=True, mode="nearest").clip(0, 255))


def _half_negative(x: Images, rng: np.random.Generator) -> Images:
    return np.where(rng.permutation(len(x))[:, None, None, None] % 2, 255 - x, x)


def _negative(x: Images, _: np.random.Generator) -> Images:
    return 255 - x


def _noise(x: Images, rng: np.random.Generator) -> Images:
    return rng.integers(0, 256, x.shape).astype(np.float32)


def _darker(factor: float, x: Images, _: np.random.Generator) -> Images:
    return x * factor


def _twice(x: Images, _: np.random.Generator) -> Images:
    return np.concatenate([x[: len(x) // 2]] * 2)


def _plain(x: Images, rng: np.random.Generator) -> Images:
    """Every fourth image of one colour."""
    out = x.copy()
    out[::4] = rng.integers(0, 256, (len(out[::4]), 1, 1, x.shape[3]))
    return out


def _beside(what: Draw, x: Images, rng: np.random.Generator) -> Images:
    """Beside the public images, made of them, as many that were not mixed in."""
    return np.concatenate([x, what(x, rng)])


def _same(x: Images, _: np.random.Generator) -> Images:
    return x


def _nearly(x: Images, rng: np.random.Generator) -> Images:
    return (x + rng.normal(0, 2, x.shape)).clip(0, 255)


def _shifted(x: Images, _: np.random.Generator) -> Images:
    return np.roll(x, 1, 2)


def _some(count: int, x: Images, rng: np.random.Generator) -> Images:
    return x[rng.permutation(len(x))[:count]]


def _half(x: Images, rng: np.random.Generator) -> Images:
    return _some(len(x) // 2, x, rng)


def _others(name: str, x: Images, rng: np.random.Generator) -> Images:
    return _some(len(x), images_of(name)[0], rng)


def _with_noise(level: float, x: Images, rng: np.random.Generator) -> Images:
    return x + rng.normal(0, level, x.shape)


def _rounded(bits: int, x: Images, _: np.random.Generator) -> Images:
    steps = 2**bits - 1
    return np.asarray(np.round((x + 1) / 2 * steps) / steps * 2 - 1)


def _bytes(x: Images, _: np.random.Generator) -> Images:
    return np.round(x * 127.5)


def _half_precision(x: Images, _: np.random.Generator) -> Images:
    return x.astype(np.float16)


def _magnitudes(x: Images, _: np.random.Generator) -> Images:
    return np.abs(x)


#: By name, in the order of the table.
RELEASES: dict[str, Odd] = {
    "as it is": Odd(),
    "the magnitudes only": Odd(encodings=_magnitudes),
    "masks known": Odd(mask=False),
    "grey": Odd(private_as=[_grey], public_as=[_grey]),
    "16 x 16": Odd(private_as=[_small], public_as=[_small]),
    "64 x 64": Odd(n=10, private_as=[_large], public_as=[_large]),
    "half of the private negative": Odd(private_as=[_half_negative]),
    "half of private and public negative": Odd(private_as=[_half_negative], public_as=[_half_negative]),
    "private photographs": Odd(private="patches"),
    "private MedNIST": Odd(private="mednist"),
    "public MedNIST": Odd(public="mednist"),
    "both MedNIST": Odd(private="mednist", public="mednist"),
    "public noise": Odd(public_as=[_noise]),
    "k = 2, one private": Odd(k=2, slots=1),
    "k = 2, two private": Odd(k=2),
    "k = 3, one private": Odd(k=3, slots=1),
    "k = 5, three private": Odd(k=5, slots=3),
    "k = 10": Odd(k=10),
    "classes only": Odd(labels="hard"),
    "no labels": Odd(labels="none"),
    "equal coefficients": Odd(equal=True),
    "equal coefficients, no labels": Odd(equal=True, labels="none"),
    "drawn independently": Odd(uneven=True),
    "N = 1": Odd(n=1),
    "N = 2": Odd(n=2),
    "N = 4": Odd(n=4),
    "T = 1": Odd(epochs=1),
    "T = 2": Odd(epochs=2),
    "T = 3": Odd(epochs=3),
    "10 of 20 twice": Odd(private_as=[_twice]),
    "5 of 20 of one colour": Odd(private_as=[_plain]),
    "noise of 0.01": Odd(encodings=partial(_with_noise, 0.01)),
    "noise of 0.05": Odd(encodings=partial(_with_noise, 0.05)),
    "noise of 0.2": Odd(encodings=partial(_with_noise, 0.2)),
    "8 bits": Odd(encodings=partial(_rounded, 8)),
    "6 bits": Odd(encodings=partial(_rounded, 6)),
    "4 bits": Odd(encodings=partial(_rounded, 4)),
    "half precision": Odd(encodings=_half_precision),
    "whole numbers to 127": Odd(encodings=_bytes, image_range=(-127.5, 127.5)),
    "a fifth above black": Odd(private_as=[partial(_darker, 0.2)], public_as=[partial(_darker, 0.2)]),
    "a twelfth above black": Odd(private_as=[partial(_darker, 0.08)], public_as=[partial(_darker, 0.08)]),
    "20 public images in all": Odd(public_count=20),
    "2 public images in all": Odd(public_count=2),
    "handed other photographs": Odd(handed=partial(_others, "trained patches")),
    "handed MedNIST": Odd(handed=partial(_others, "mednist")),
    "handed noise": Odd(handed=_noise),
    "handed the negatives": Odd(handed=_negative),
    "handed each twice": Odd(handed=partial(_beside, _same)),
    "handed near-duplicates too": Odd(handed=partial(_beside, _nearly)),
    "handed neighbours by a pixel too": Odd(handed=partial(_beside, _shifted)),
    "handed all of them and others": Odd(handed=partial(_beside, partial(_others, "trained patches"))),
    "handed half of them": Odd(handed=_half),
    "handed 20 of them": Odd(handed=partial(_some, 20)),
    "handed 2 of them": Odd(handed=partial(_some, 2)),
    "inside-dataset": Odd(inside=True),
    "inside-dataset, no labels": Odd(inside=True, labels="none"),
}


@cache
def images_of(name: str) -> tuple[Images, Images]:
    """Images float32 (M, H, W, C), from 0 to 255, and labels int64 (M,) (ten classes where there are none) of a data
    set, or of held-out ("patches") or other ("trained patches") patches of photographs."""
    if name.endswith("patches"):
        split = load_split(DATA)
        images: Images = split.held_patches if name == "patches" else split.train_public
        labels: Images = np.zeros(0, np.int64)
    else:
        images, labels = load_images(name)
        images = images * np.float32(255)
    return images.astype(np.float32), labels if labels.any() else np.arange(len(images)) % 10


def made(odd: Odd, seed: int, n: int = 20, epochs: int = 6, count: int = 2000) -> tuple[Sample, View]:
    """A release with its truth, and what the attack sees of it.

    Args:
        n, epochs, count: private images, permutations and public images, where `odd` does not say.
    """
    rng = np.random.default_rng([seed, 5])
    n, count = odd.n or n, odd.public_count or count
    public, private, labels = images_of(odd.public)[0][:count], *images_of(odd.private)
    if odd.private == odd.public:
        private, labels = private[count:], labels[count:]
    chosen = rng.choice(len(private), n, replace=False)
    private, labels = private[chosen], labels[chosen]
    for change in odd.private_as:
        private = change(private, rng)
    for change in odd.public_as:
        public = change(public, rng)
    if _twice in odd.private_as:
        labels = np.concatenate([labels[: n // 2]] * 2)
    sample = reference(
        seed,
        n,
        odd.epochs or epochs,
        odd.k,
        odd.slots,
        inside=odd.inside,
        public=public,
        uneven=odd.uneven,
        equal=odd.equal,
        mask=odd.mask,
        pool=(private, labels),
    )
    x = sample.encodings if odd.encodings is None else odd.encodings(sample.encodings, rng)
    sample = replace(sample, encodings=x.astype(np.float16 if x.dtype == np.float16 else np.float32))
    handed = public if odd.handed is None else odd.handed(public, rng)
    view = View(
        encodings=sample.encodings,
        labels=released(sample, odd.labels),
        image_range=odd.image_range,
        knows=frozenset({Knowledge.ENCODINGS, Knowledge.LABELS, Knowledge.PUBLIC_SET}),
        public_set=(handed / 255).astype(np.float32),
    )
    return sample, view


@dataclass(frozen=True)
class Both(UnmixPublic):
    """`unmix-public`, keeping what `unmix` answers: what there is before public images are looked for."""

    before: list[AttackOutput] = field(default_factory=list, compare=False)

    def stages(self, state: State, ctx: Context, *names: str) -> State:
        """See `Recipe.stages`."""
        if names == ("public",):
            self.before.append(answer(state))
        return super().stages(state, ctx, *names)


def both(view: View, ctx: Context) -> tuple[AttackOutput, AttackOutput]:
    """What `unmix` and `unmix-public` answer, in one run where the latter has begun just once."""
    attack = Both()
    out = attack.run(view, ctx)
    if len(attack.before) == 1:
        return attack.before[0], out
    # no public image was looked for; or there were two answers, of which `unmix` takes the surer
    return Unmix().run(view, ctx) if attack.before else out, out


@dataclass(frozen=True)
class Figures:
    """What came out for one release; `off` and `over` are of all answers, one that is not assigned having 0."""

    unmix: np.ndarray
    public: np.ndarray
    answers: int
    exact: int
    worst_exact: float | None
    said: float
    off: float
    over: float
    explained: float | None

    def cells(self) -> str:
        """The cells of the table."""
        exact = "" if self.worst_exact is None else f"{self.worst_exact:.3f}"
        explained = "" if self.explained is None else f"{self.explained:.0%}"
        pairs = " | ".join(f"{x.mean():.3f} | {x.min():.3f}" for x in (self.unmix, self.public))
        said = f"{self.said:.3f} / {self.off:.3f} | {self.over:.3f}"
        return f"{len(self.public)} | {pairs} | {self.answers} | {self.exact} | {exact} | {said} | {explained}"


def figures(before: AttackOutput, out: AttackOutput, truth: np.ndarray) -> Figures:
    """Both answers against the private images float32 (N, H, W, C)."""
    assert out.confidence is not None
    private = _assigned(before.images, truth)[0], _assigned(out.images, truth)
    exact = np.flatnonzero(out.confidence >= EXACT)
    nearest = [ssim(np.repeat(out.images[i : i + 1], len(truth), 0), truth).max() for i in exact]
    over = out.confidence - private[1][1]
    record = next((s for s in out.stages if s.name == "public"), None)
    return Figures(
        unmix=private[0],
        public=private[1][0],
        answers=len(out.images),
        exact=len(exact),
        worst_exact=min(nearest) if nearest else None,
        said=float(out.confidence.mean()),
        off=float(np.abs(over).mean()),
        over=float(over.max()),
        explained=None if record is None else float(record.diagnostics["encodings_explained"]),
    )


def _assigned(found: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pinned SSIM of each true image, and of each answer, under the best assignment; 0 for those left out."""
    rows, columns = linear_sum_assignment(-correlation(found, truth))
    images, answers = np.zeros(len(truth)), np.zeros(len(found))
    images[columns] = answers[rows] = ssim(found[rows], truth[columns])
    return images, answers


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; 2 where a name is unknown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these releases alone")
    parser.add_argument("--list", action="store_true", help="the names of all releases")
    parser.add_argument("--seed", type=int, nargs="+", default=[801], help="of the release")
    parser.add_argument("--attack-seed", type=int, default=1)
    parser.add_argument("--n", type=int, default=20, help="private images, where a release does not say")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--patches", type=int, default=2000, help="public images")
    parser.add_argument("--profile", default="quick", choices=["quick", "standard", "full"])
    a = parser.parse_args(argv)
    if a.list:
        print("\n".join(RELEASES))
        return 0
    unknown = sorted(set(a.only or ()) - set(RELEASES))
    if unknown:
        print(f"there is no release {', '.join(map(repr, unknown))}; --list shows the names")
        return 2
    print(HEAD)
    for name, seed in ((name, seed) for name in a.only or RELEASES for seed in a.seed):
        row = f"| {name} |" if len(a.seed) == 1 else f"| {name} ({seed}) |"
        sample, view = made(RELEASES[name], seed, a.n, a.epochs, a.patches)
        began = time.process_time()
        try:
            before, out = both(view, Context(seed=a.attack_seed, profile=a.profile))
        except NotApplicable as e:
            print(f"{row} refused: {e} |", flush=True)
            continue
        cpu = time.process_time() - began
        print(f"{row} {figures(before, out, sample.images).cells()} | {cpu:.0f} |", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
