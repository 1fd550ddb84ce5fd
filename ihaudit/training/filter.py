"""`ihaudit train filter`: which encodings of an image hold it moved alike, by a network like the comparative one."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from ihaudit.contracts.trainer import Job, trainer
from ihaudit.nn.comparator import PAPER
from ihaudit.nn.fitting import TrainConfig, learning_curve, train
from ihaudit.nn.moved_releases import MoveConfig, MovedReleases
from ihaudit.nn.shipped import load_comparator
from ihaudit.nn.sources import load_split
from ihaudit.nn.tasks.comparator import NEAR, ComparatorTask
from ihaudit.training import start, today, write
from ihaudit.training.comparator import SIZES, held_out_figures
from ihaudit.training.fusion import TRAINED_ON, chosen, pools

DEFAULTS = TrainConfig(steps=300, batch=256, rate=8e-4, cool_down=0.5, average=0.98, every=50, validation=768)
PAPER_DEFAULTS = replace(DEFAULTS, steps=20_000, rate=3e-4, average=0.998, every=1000)
#: Releases in each held-out measurement.
MEASURED = 10
#: Wide moves, so that many pairs of one image are not neighbours; few images, so that there are many such pairs.
MOVES = MoveConfig(
    eps=((0.3, 0.2), (0.4, 0.3), (0.5, 0.5)), shifted=0.2, most=6, still=0.0, same_class=0.0, per_image=24
)


@trainer("filter", "tells whether an image was moved alike in two encodings; attack fdn", options=("network",))
def train_filter(job: Job) -> dict[str, Any]:
    """Train the filter, from the weights of the comparative network where they ship, and write weights and card.

    Options: ``network``, ``small`` (the shipped size) or ``paper`` (from the start).

    Raises:
        ImageError: training images are missing.
        NotApplicable: the comparative network does not ship.
        UsageError: there is no such network.
    """
    shape = chosen(job, SIZES, "filter")
    config = start(job, DEFAULTS if shape != PAPER else PAPER_DEFAULTS)
    begin = None if shape == PAPER else load_comparator(device="cpu").state_dict()
    training, held_out, measured = (MovedReleases(*pool, MOVES) for pool in pools(load_split(job.data)))
    task = ComparatorTask(training, held_out, shape, "near", begin)
    net, record = train(task, config, job.checkpoint_path, job.log)
    card = {
        "trained_on": TRAINED_ON + ("" if begin is None else "; starts from the weights of `comparator`"),
        "date": today(),
        "near": NEAR,
        "moves": asdict(MOVES),
        "learning_curve": learning_curve(record),
        "held_out": {
            "range": task.measured(net, measured, config, MEASURED),
            **{k: v for k, v in held_out_figures(net, task, measured, config).items() if k == "eps=0.5"},
        },
    }
    return write(job, net, task.network, config, record, card)
