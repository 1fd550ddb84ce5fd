"""Messages whose large arrays are mapped from a file by whoever receives them."""

from __future__ import annotations

import multiprocessing
import tempfile
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest

from ihaudit.audit import handover
from ihaudit.contracts.view import View


def sent(message: object) -> Any:
    """What arrives at the other end of a pipe."""
    ours, theirs = multiprocessing.Pipe()
    with ours, theirs:
        sender = Thread(target=handover.send, args=(ours, message))
        sender.start()
        found = handover.receive(theirs)
        sender.join()
    return found


def mapped(array: np.ndarray) -> bool:
    """Whether an array lies in a mapped file."""
    owner: object = array
    while isinstance(owner, np.ndarray):
        if isinstance(owner, np.memmap):
            return True
        owner = owner.base
    return False


def example() -> View:
    rng = np.random.default_rng(0)
    large = rng.normal(size=(70, 8, 8, 3)).astype(np.float32)
    return View(large, labels=np.eye(70, dtype=np.float32)[:, :3], extra={"other": large[::-1].copy(), "odd": large.T})


def test_large_arrays_are_mapped_and_the_rest_comes_as_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(handover, "LARGE", 50_000)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    view, found = example(), sent(("spec", example(), 3))
    assert found[0] == "spec" and found[2] == 3
    for was, is_ in (
        (view.encodings, found[1].encodings),
        (view.extra["other"], found[1].extra["other"]),
        (view.extra["odd"], found[1].extra["odd"]),
    ):
        np.testing.assert_array_equal(is_, was)
        assert mapped(is_) and not is_.flags.writeable
    np.testing.assert_array_equal(found[1].labels, view.labels)
    assert found[1].labels.flags.writeable and not mapped(found[1].labels)
    assert not list(tmp_path.iterdir())


def test_small_messages_need_no_file() -> None:
    found = sent(example())
    np.testing.assert_array_equal(found.encodings, example().encodings)
    assert found.encodings.flags.writeable


def test_on_a_full_disk_everything_goes_through_the_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handover, "LARGE", 50_000)
    with open("/dev/full", "r+b", buffering=0) as full:
        monkeypatch.setattr(tempfile, "TemporaryFile", lambda: full)
        found = sent(example())
    np.testing.assert_array_equal(found.encodings, example().encodings)
    assert not mapped(found.encodings)
