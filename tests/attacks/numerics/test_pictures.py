"""Rows of pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch

from ihaudit.attacks.numerics.pictures import to_rows


@pytest.mark.parametrize("mode", ["r", "c"])
def test_rows_of_a_mapped_file_are_those_in_memory(tmp_path: Path, mode: Literal["r", "c"]) -> None:
    x = np.random.default_rng(0).standard_normal((1500, 4, 4, 3)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode=mode)
    if mode == "c":
        mapped[1200] = x[1200] = 0.5  # a change that is in no file must not be lost
    expected = torch.from_numpy(np.abs(x).transpose(0, 3, 1, 2).reshape(1500, -1).copy())
    torch.testing.assert_close(to_rows(np.asarray(mapped), "cpu", absolute=True), expected, rtol=0, atol=0)
    short = to_rows(np.asarray(mapped), "cpu", absolute=True, kind=torch.float16)
    torch.testing.assert_close(short.float(), expected, rtol=1e-3, atol=1e-3)
    np.testing.assert_array_equal(np.asarray(mapped), x)
