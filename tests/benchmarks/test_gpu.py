"""The script for a GPU, on the CPU and small; and that it tells a difference where there is one."""

from __future__ import annotations

import pytest
import torch

from ihaudit.attacks.prng.generators import lanes_torch
from ihaudit.stats import Estimate
from tests.audit.sweep.test_sweep import result
from tests.benchmarks import gpu


def test_its_parts_run_and_find_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert gpu.main(["--tiny", "--part", "bits", "--part", "scans", "--part", "training", "--part", "full"]) == 0
    said = capsys.readouterr().out
    assert "nothing differs" in said and said.count("| cpu |") == 3


def test_a_wrong_bit_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    right = lanes_torch.tempered
    monkeypatch.setattr(lanes_torch, "tempered", lambda y: right(y) ^ 1)
    assert gpu.main(["--tiny", "--part", "bits"]) == 1


def test_figures_may_differ_by_the_slack_and_no_more() -> None:
    assert gpu.differing(result(0.5), result(0.5029)) == []
    assert gpu.differing(result(0.5), result(0.504)) == ["phase, ssim_q90: 0.5 and 0.504"]
    other = result(0.5)
    other.findings[0].metrics["reid"] = Estimate(1.0, 0.9, 1.0, 9)
    assert gpu.differing(result(0.5), other) == ["phase, reid: None and 1.0"]
    assert gpu.differing(result(0.5), result(None)) == ["phase: measured and absent"]


@pytest.mark.slow
def test_audits_on_one_device_agree() -> None:
    assert gpu.main(["--tiny", "--part", "quick"]) == 0


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_without_a_gpu_it_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert gpu.main([]) == 2
    assert "torch sees no CUDA device" in capsys.readouterr().out
