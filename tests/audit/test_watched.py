"""What an attack looked at is noted, and nothing else."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

from ihaudit.audit.watched import watched
from ihaudit.audit.worker import AttackWorker
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import Pairs, View
from ihaudit.scheme import DEFAULT_ADVERSARY, Knowledge
from tests.pictures import pictures

X = pictures(24)
VIEW = View(
    encodings=X,
    labels=np.eye(3, dtype=np.float32)[np.arange(24) % 3],
    similar=X,
    pairs=Pairs(X[:4], X[:4]),
    knows=DEFAULT_ADVERSARY,
    image_shape=X.shape[1:],
)


def test_only_what_is_read_and_is_there_counts() -> None:
    seen: set[Knowledge] = set()
    view = watched(VIEW, seen)
    assert isinstance(view, View) and view.encodings is X and view.public_set is None and view.code is None
    assert seen == set()
    assert view.labels is not None and len(view.encodings) == 24
    assert seen == {Knowledge.LABELS}


def test_copies_share_the_note_and_copying_is_no_use() -> None:
    seen: set[Knowledge] = set()
    copy = replace(watched(VIEW, seen), encodings=2 * X)
    assert seen == set()
    assert copy.pairs is not None
    assert seen == {Knowledge.PAIRS}


def test_the_worker_hands_back_what_was_used() -> None:
    with AttackWorker(120) as worker:
        run = worker.run("as-released", VIEW, Context(seed=0, profile="quick"))
    assert run.output is not None, run.failure or run.not_applicable
    assert run.output.used == ("encodings", "labels")


def test_reading_through_the_watch_costs_next_to_nothing() -> None:
    view = watched(VIEW, set())
    began = time.process_time()
    for _ in range(10_000):
        _ = view.encodings
    assert time.process_time() - began < 1
