"""Scores of reconstructions: pinned SSIM, the challenge's convention, PSNR, L2, matching and re-identification."""

from __future__ import annotations

from ihaudit.metrics.l2 import l2
from ihaudit.metrics.psnr import psnr
from ihaudit.metrics.reid import likeness, reidentify
from ihaudit.metrics.ssim import SETTINGS, pairwise_ssim, ssim, ssim_challenge

__all__ = ["SETTINGS", "l2", "likeness", "pairwise_ssim", "psnr", "reidentify", "ssim", "ssim_challenge"]
