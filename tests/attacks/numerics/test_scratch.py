"""Arrays as large as a release in files without a name: same numbers, little memory, nothing left."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
import torch

from ihaudit.attacks import recipe
from ihaudit.attacks.numerics import features, scratch
from ihaudit.attacks.numerics.least_squares import weighted
from ihaudit.attacks.numerics.mixing import DENSE_COLUMNS, Mixing
from ihaudit.attacks.numerics.parallel import run_jobs
from ihaudit.attacks.unmix import Unmix
from ihaudit.audit.worker import peak_memory_mb, reset_peak_memory
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import View
from tests.attacks.releases import instahide

Room = namedtuple("Room", "total used free")


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Where files would be, with every array taken for a large one."""
    monkeypatch.setattr(scratch, "LARGE", 1)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_what_was_written_comes_back_and_no_file_is_seen(folder: Path) -> None:
    x = scratch.empty((1000, 50), torch.float16, "cpu")
    x[:] = torch.arange(50_000).view(1000, 50) % 512
    scratch.hand_back_pages()
    assert torch.equal(x.float(), (torch.arange(50_000).view(1000, 50) % 512).float())
    assert os.listdir(folder) == []
    assert str(folder) in Path("/proc/self/maps").read_text()
    del x
    assert str(folder) not in Path("/proc/self/maps").read_text()


def test_memory_is_that_of_a_few_blocks(folder: Path) -> None:
    reset_peak_memory()
    before = peak_memory_mb()
    x = scratch.empty((50_000, 2000), torch.float16, "cpu")

    def fill(i: int) -> None:
        x[i : i + 500] = torch.full((500, 2000), float(i % 7)).half()

    run_jobs(fill, list(range(0, len(x), 500)))
    total = sum(run_jobs(lambda i: int(x[i : i + 500, 0].float().sum()), list(range(0, len(x), 500))))
    assert total == sum(500 * (i % 7) for i in range(0, len(x), 500))
    assert peak_memory_mb() - before < 60  # of 200


@pytest.mark.parametrize("full", [True, False])
def test_without_room_arrays_are_in_memory(folder: Path, monkeypatch: pytest.MonkeyPatch, full: bool) -> None:
    def none(file: int, offset: int, size: int) -> None:
        raise OSError("No space left on device")

    if full:
        monkeypatch.setattr(shutil, "disk_usage", lambda path: Room(1000, 1000, 10))
    else:
        monkeypatch.setattr(os, "posix_fallocate", none, raising=False)
    x = scratch.empty((10, 10), torch.float32, "cpu")
    x[:] = 1
    assert float(x.sum()) == 100
    assert str(folder) not in Path("/proc/self/maps").read_text()


@pytest.mark.parametrize("unknowns", [20, DENSE_COLUMNS + 8])
def test_some_rows_are_solved_for_as_a_copy_of_them(unknowns: int) -> None:
    rng = np.random.default_rng(3)
    count = 4 * unknowns
    members = np.stack([rng.permutation(count) % unknowns, rng.permutation(count) % unknowns], 1)
    lam = rng.uniform(0.1, 0.4, (count, 2)).astype(np.float32)
    values = torch.from_numpy(rng.normal(size=(count, 30)).astype(np.float32))
    signs = torch.from_numpy(rng.uniform(-1, 1, (count, 30)).astype(np.float32)).half()
    index = torch.arange(0, count, 2)
    mixing = Mixing.of(members, lam, 1 - lam.sum(1), unknowns).some(index)
    copied = weighted(values[index], mixing, signs=signs[index])
    read = weighted(scratch.Some(values, index), mixing, signs=scratch.Some(signs, index))
    assert torch.equal(copied.images, read.images) and torch.equal(copied.noise, read.noise)


def test_sums_over_images_add_up_in_place() -> None:
    rng = np.random.default_rng(4)
    unknowns = DENSE_COLUMNS + 1
    members = rng.integers(-1, unknowns, (600, 2))
    lam = rng.uniform(0.1, 0.4, (600, 2)).astype(np.float32)
    mixing = Mixing.of(members, lam, 1 - lam.sum(1), unknowns)
    values = torch.from_numpy(rng.normal(size=(600, 12)).astype(np.float32))
    out = mixing.blank(values)
    for i in range(0, 600, 100):
        mixing.add_adjoint(out, values[i : i + 100], slice(i, i + 100))
    assert torch.allclose(out, mixing.dense.T @ values, atol=1e-4)


def test_unmix_answers_the_same_from_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    sample = instahide(n=8, epochs=12)
    view = View(encodings=sample.encodings, labels=sample.labels, image_range=(-1.0, 1.0))
    monkeypatch.setattr(features, "MANY", 1000)
    monkeypatch.setattr(recipe, "MANY", 1000)

    def images() -> np.ndarray:
        return Unmix().run(view, Context(seed=1, device="cpu", profile="quick")).images

    held = images()
    monkeypatch.setattr(scratch, "LARGE", 1)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert np.array_equal(held, images())
    assert os.listdir(tmp_path) == []
