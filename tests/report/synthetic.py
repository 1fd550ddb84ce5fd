"""Synthetic results for tests of the report: the shape of a real audit, numbers of no meaning.

Pictures are crops of the photographs that scikit-image ships; "encodings" mix two of them under a random sign mask and
"reconstructions" are the originals with noise of growing strength, so that galleries look like galleries.  Run
``python -m tests.report.synthetic FOLDER`` to look at a rendering.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ihaudit.results import ClaimResult, Cost, Environment, Gate, GateCheck, ImageCard, ReleaseCard, Results, SchemeCard
from ihaudit.stats import Estimate
from tests.report.synthetic_findings import HOSTILE, attacks, games, others

LOG = ("epoch 1 <b>bold</b> </pre><script>document.write('log')</script>\tλ = 0.5 ☃ \x07\x1b[31mred\x1b[0m\n" * 70)[
    :5000
]
ADVERSARY = ["code", "distribution", "encodings", "labels", "oracle"]


def photographs(n: int, size: int = 32, channels: int = 3, seed: int = 0) -> NDArray[np.uint8]:
    """uint8 (n, size, size, channels): crops of scikit-image's photographs, half their scale."""
    from skimage import data

    pictures = [data.astronaut(), data.coffee(), data.chelsea(), data.rocket()]
    rng = np.random.default_rng(seed)
    crops = []
    for i in range(n):
        p = pictures[i % len(pictures)]
        top, left = rng.integers(0, p.shape[0] - 4 * size), rng.integers(0, p.shape[1] - 4 * size)
        crop = p[top : top + 4 * size, left : left + 4 * size]
        crops.append(crop.reshape(size, 4, size, 4, 3).mean((1, 3)))
    out = np.stack(crops).astype(np.uint8)
    return out if channels == 3 else out.mean(-1, keepdims=True).astype(np.uint8)


def arrays(n: int = 40, channels: int = 3, size: int = 32) -> dict[str, NDArray[Any]]:
    """arrays.npz of the synthetic audit."""
    rng = np.random.default_rng(1)
    images = photographs(n, size, channels)
    unit = images / 255.0 * 2 - 1
    mixed = 0.55 * unit + 0.45 * np.roll(unit, 1, 0)
    encoding = mixed * rng.choice([-1.0, 1.0], mixed.shape)
    noise = np.linspace(0.03, 0.6, n)[rng.permutation(n)]
    found = np.clip(images / 255.0 + rng.normal(0, 1, images.shape) * noise[:, None, None, None], 0, 1)
    ssim = np.clip(0.98 - 1.3 * noise + rng.normal(0, 0.02, n), -1, 1)
    weak = np.clip(0.5 * found + 0.5 * found.mean((1, 2), keepdims=True), 0, 1)
    return {
        "private/images": images,
        "private/labels": np.arange(n) % 4,
        "release/encodings": encoding.astype(np.float32),
        "release/index": np.arange(n),
        "carlini/ssim": ssim,
        "carlini/ssim_challenge": ssim - 0.1,
        "carlini/reconstruction": (found * 255).astype(np.uint8),
        "cluster-mean/ssim": ssim * 0.5,
        "cluster-mean/ssim_challenge": ssim * 0.4,
        "cluster-mean/reconstruction": (weak * 255).astype(np.uint8),
        "prng-seedless/samples_encoding": encoding[:4].astype(np.float32),
        "prng-seedless/samples_unmasked": (mixed[:4] / 2 + 0.5).astype(np.float32),
        "prng-seedless/samples_truth": (mixed[:4] / 2 + 0.5).astype(np.float32),
    }


def results(n: int = 40) -> Results:
    """A synthetic audit that came out broken, with hostile text wherever a scheme's author could put it."""
    measured = Estimate(0.83, 0.79, 0.86, n)
    return Results(
        name="instahide <b>&",
        profile="quick",
        seed=7,
        options={"gates": {"max_ssim": 0.5, "quantile": 0.9}, "sets": ["k=6"], "attacks": None},
        scheme=SchemeCard(
            name="instahide <b>&",
            source="examples/scheme.py:InstaHide",
            sha256="3f" * 32,
            doc=f"Mixes six images and flips signs.\n\n{HOSTILE}",
            parameters={"k": 6, "epochs": 50, "max_coefficient": 0.65, "rng": "numpy", "note": HOSTILE},
            secrets="coefficients and masks",
            security_parameter="k",
            line=31,
            path="projects/enc/scheme.py",
            lines={"k": 33, "rng": 36, "claims": 38, "claims[0]": 39, "claims[1]": 40, "key": 42, "encode": 50},
            log=LOG,
        ),
        release=ReleaseCard(
            encodings=[2000, 32, 32, 3],
            dtype="float32",
            labels=[2000, 4],
            image_range=[-1.0, 1.0],
            sha256="ab" * 32,
            has_provenance=True,
            encode_s=0.8,
            extra={"key_id": [2000]},
        ),
        private=ImageCard(name="embedded:private", count=n, shape=[32, 32, 3], classes=4, sha256="01" * 32),
        public=ImageCard(name="embedded:public", count=900, shape=[32, 32, 3], classes=6, sha256="02" * 32),
        adversary=ADVERSARY,
        findings=[*games(), *attacks(n), *others(n)],
        claims=[
            ClaimResult(
                text="no private image can be recovered with SSIM above 0.3 by one who has code, encodings, labels",
                quantity="ssim",
                bound=0.3,
                adversary=["encodings", "labels", "code"],
                status="refuted",
                measured=Estimate(0.93, 0.93, 1.0, n),
                by="carlini",
            ),
            ClaimResult(
                text="releases are epsilon = 8, delta = 1e-05 differentially private",
                quantity="epsilon",
                bound=8.0,
                adversary=["encodings"],
                status="inconclusive",
                reason="the claim's adversary lacks oracle",
            ),
        ],
        gate=Gate(
            status="missed",
            exit_code=1,
            statistic="90 % quantile of SSIM over private images",
            bound=0.5,
            measured=measured,
            by="carlini",
            sentence="Gate missed.",
            checks=[
                GateCheck(
                    name="ssim",
                    statistic="90 % quantile of SSIM over private images",
                    measured=measured,
                    bound=0.5,
                    met=False,
                    by="carlini",
                ),
                GateCheck(
                    name="reid",
                    statistic="re-identification above chance",
                    measured=Estimate(0.9375, 0.8, 0.98, n),
                    bound=0.05,
                    met=False,
                    by="carlini",
                ),
            ],
        ),
        cost=Cost(wall_s=151.3, cpu_s=262.0, gpu_s=3.2, peak_mb=1210.4),
        price_per_hour={"cpu": 0.05, "gpu": 2.5},
        environment=Environment(
            ihaudit="0.1.0",
            python="3.11.2",
            platform="Linux-6.1-x86_64",
            packages={"numpy": "2.4.1", "torch": "2.13.0"},
            device="cpu",
            device_name="Some CPU @ 2.40 GHz",
            cores=2,
            command="ihaudit run examples/scheme.py:InstaHide --set k=6 --profile quick --seed 7",
            started="2026-01-02T03:04:05+00:00",
            finished="2026-01-02T03:06:36+00:00",
            weights={"restorer": "cd" * 32},
            ssim={"data_range": 1.0, "window": "gaussian 11, sigma 1.5"},
        ),
    )


if __name__ == "__main__":
    from ihaudit.report import render
    from ihaudit.results import read_arrays, read_results, write_results

    folder = Path(sys.argv[1])
    write_results(folder, results(), arrays())
    for path in render(read_results(folder), read_arrays(folder), folder, tuple(sys.argv[2:]) or ("html", "pdf")):
        print(path, path.stat().st_size)
