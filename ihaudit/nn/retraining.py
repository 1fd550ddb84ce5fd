"""The networks of the attack `carlini` for a shape that none are shipped for: trained, measured, written with cards.

Mask recovery first, from the shipped network where its channels allow (`ihaudit.nn.transfer`); then the similarity
network on top of it; then the membership head on the similarity network's embeddings.  Each part is decided by steps,
not by time, and begins from the files of the one before, so a run that was interrupted between two parts ends with the
same weights as one that was not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ihaudit.errors import UsageError
from ihaudit.nn import weights
from ihaudit.nn.fitting import Task, TrainConfig, bf16_is_fast, learning_curve, train
from ihaudit.nn.mixtures import MixtureBatch, MixtureConfig, Mixtures, Uints
from ihaudit.nn.releases import ReleaseConfig, Releases
from ihaudit.nn.shipped import load_similarity, load_unmask, load_unmix
from ihaudit.nn.similarity import PairConfig, PairNet, Shape
from ihaudit.nn.tasks.membership import MembershipTask, draw_sets, set_logits
from ihaudit.nn.tasks.similarity import SimilarityTask, figures_of
from ihaudit.nn.tasks.unmask import UnmaskTask, sign_share
from ihaudit.nn.transfer import pair_start, unmask_start
from ihaudit.nn.unmask import UnmaskConfig, UnmaskNet

N = TypeVar("N", bound=nn.Module)
B = TypeVar("B")

#: In the order in which they are trained; each is written as NAME.safetensors with a card NAME.json.
PARTS = ("unmask", "similarity", "membership")
#: Steps of a part as a share of those asked for, and of the whole time, roughly.
STEPS = {"unmask": 1.0, "similarity": 1.0, "membership": 0.5}
COST = {"unmask": 0.13, "similarity": 0.75, "membership": 0.12}
#: Encodings in a batch of pairs for images of up to 32 x 32 pixels; larger ones get fewer, down to the second number.
BATCH, SMALLEST = 256, 64
#: Validations of a part, and releases (batches) of a measurement.
VALIDATIONS, MEASURED = 16, 24
#: Validations without a better one before a part stops: more than come before the rate falls.
PATIENCE = 10

Report = Callable[[str, float], None]


@dataclass(frozen=True, eq=False)
class Pool:
    """Images of samplers: uint8 (N, H, W, C) private-like with int64 (N,) classes, and public-like ones."""

    similar: Uints
    labels: NDArray[np.int64]
    public: Uints


@dataclass(frozen=True)
class Recipe:
    """What is trained, for what.

    Attributes:
        shape: (C, H, W) of the encodings.
        releases: what releases to train on look like; its `image_range` is that of the release to attack.
        steps: of the similarity network; the other parts' follow from it.
        seed, device: as in `TrainConfig`.
    """

    shape: Shape
    releases: ReleaseConfig
    steps: int
    seed: int
    device: str = "cpu"

    @property
    def batch(self) -> int:
        """Encodings in a batch: memory stays what it is for 32 x 32 pixels."""
        _, h, w = self.shape
        return int(np.clip(BATCH * 32 * 32 // (h * w) // 16 * 16, SMALLEST, BATCH))

    def config(self, part: str, rate: float, average: float, batch: int) -> TrainConfig:
        """How one part is trained."""
        steps = max(1, round(self.steps * STEPS[part]))
        return TrainConfig(
            steps=steps,
            batch=batch,
            rate=rate,
            cool_down=0.5,
            average=average,
            every=min(100, -(-steps // VALIDATIONS)),
            patience=PATIENCE,
            validation=4 * batch,
            bf16=bf16_is_fast(self.device),
            seed=self.seed,
            device=self.device,
        )


class Retraining:
    """Trains the parts one by one into `folder`.

    Args:
        recipe: see `Recipe`.
        pools: to train on, to stop by, and to measure with; without an image in common.
        folder: where the weights and cards go, and where earlier parts lie.
        made: JSON-able facts for every card (what the images are).
        report: called with a message and the finished share of everything.
    """

    def __init__(
        self, recipe: Recipe, pools: tuple[Pool, Pool, Pool], folder: Path, made: dict[str, Any], report: Report
    ) -> None:
        self.recipe, self.pools, self.folder, self.made, self.report = recipe, pools, folder, made, report

    def run(self, part: str) -> dict[str, Any]:
        """Train one part; the facts on its card.

        Raises:
            UsageError: training diverged.
        """
        with torch.random.fork_rng(devices=[]):  # training seeds torch's generator; what runs after it must not notice
            return {"unmask": self._unmask, "similarity": self._similarity, "membership": self._membership}[part]()

    def path(self, part: str) -> Path:
        """Its weight file."""
        return self.folder / f"{part}.safetensors"

    # -- the three parts ----------------------------------------------------------------------------------------------

    def _unmask(self) -> dict[str, Any]:
        r = self.recipe
        mixing = MixtureConfig(k=r.releases.k, image_range=r.releases.image_range)
        training, held_out, measure = (
            Mixtures(p.similar, p.public, replace(mixing, k=(max(2, mixing.k[0]), max(2, mixing.k[1]))))
            for p in self.pools
        )
        shape = UnmaskConfig(channels=r.shape[0])
        start = unmask_start(load_unmix().state_dict(), r.shape[0])
        task = UnmaskTask(training, held_out, shape, start=start)
        config = r.config("unmask", 5e-4 if start else 1e-3, 0.99, max(16, r.batch // 4))
        net, record = self._train("unmask", task, config)
        facts = self._facts(config, record, start is not None, {"held_out": _signs(task, net, measure, config)})
        weights.save(net, task.network, self.path("unmask"), facts)
        return facts

    def _similarity(self) -> dict[str, Any]:
        r = self.recipe
        base = load_unmask(self.path("unmask"))
        config = r.config("similarity", 7e-4, 0.98, r.batch)
        shipped = load_similarity()
        wanted = PairConfig(unmask=base.config, shape=r.shape)
        rest = pair_start(shipped, wanted) if isinstance(shipped, PairNet) else None
        training, held_out, measure = self._releases(r.releases)
        task = SimilarityTask(training, held_out, wanted, base.state_dict(), rest=rest, validated=r.batch)
        net, record = self._train("similarity", task, config)
        measured = task.measured(net, measure, config, 17, MEASURED)
        facts = self._facts(config, record, rest is not None, {"held_out": measured})
        weights.save(net, task.network, self.path("similarity"), facts)
        return facts

    def _membership(self) -> dict[str, Any]:
        r = self.recipe
        path = self.path("similarity")
        encoder = load_similarity(path, r.device)
        assert isinstance(encoder, PairNet)
        encoder.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        training, held_out, measure = self._releases(replace(r.releases, per_image=16))
        task = MembershipTask(training, held_out, encoder, validated=r.batch)
        config = r.config("membership", 2e-3, 0.98, r.batch)
        net, record = self._train("membership", task, config)

        def logits(i: int) -> tuple[Tensor, Tensor]:
            batch = draw_sets(measure, np.random.default_rng([19, i]), r.batch, wrong=0.0).to(r.device)
            return set_logits(net, task.embed(batch, config), batch)

        facts = {
            "encoder": hashlib.sha256(path.read_bytes()).hexdigest(),
            **self._facts(config, record, True, {"held_out": figures_of(logits, MEASURED)}),
        }
        weights.save(net, task.network, self.path("membership"), facts)
        return facts

    # -- what they share ----------------------------------------------------------------------------------------------

    def _releases(self, config: ReleaseConfig) -> Iterator[Releases]:
        """To train on; to stop by and to measure with: mixed exactly as the release to attack says, nothing shifted."""
        plain = replace(config, plain=1.0, moved=0.0)
        for pool, how in zip(self.pools, (config, plain, plain), strict=True):
            yield Releases(pool.similar, pool.labels, pool.public, how)

    def _train(self, part: str, task: Task[N, B], config: TrainConfig) -> tuple[N, dict[str, Any]]:
        before = sum(COST[p] for p in PARTS[: PARTS.index(part)])

        def report(step: int) -> None:
            message = f"training the {part} network, step {step} of {config.steps}"
            self.report(message, before + COST[part] * step / config.steps)

        try:
            return train(task, config, None, lambda line: None, report)
        except UsageError:
            c, h, w = self.recipe.shape
            raise UsageError(
                f"training the {part} network for {h} x {w} x {c} encodings diverged; try another --seed, or "
                "similarity=squares and assignment=likelihood"
            ) from None

    def _facts(self, config: TrainConfig, record: dict[str, Any], begun: bool, more: dict[str, Any]) -> dict[str, Any]:
        return {
            **self.made,
            "command": f"--train --train-steps {self.recipe.steps}",
            "starts_from": "the shipped network's weights" if begun else "random weights",
            "training": asdict(config),
            "steps": record["steps"],
            "seconds": record["seconds"],
            "threads": torch.get_num_threads(),
            "learning_curve": learning_curve(record),
            **more,
        }


def _signs(task: UnmaskTask, net: UnmaskNet, measure: Mixtures, config: TrainConfig) -> dict[str, float]:
    """Shares of sign bits right (weighted by |m|) on mixtures of images held out: up to the global sign, with it."""
    rng = np.random.default_rng(17)
    drawn = [measure.draw(rng, config.batch) for _ in range(MEASURED)]
    with torch.no_grad():
        logits = torch.cat([task.logits(net, b.to(config.device), config).cpu() for b in drawn])
    share = sign_share(logits, MixtureBatch.join(drawn))
    return {"signs": round(share.best, 4), "signs_with_global": round(share.guessed, 4)}
