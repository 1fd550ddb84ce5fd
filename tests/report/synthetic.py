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

from ihaudit.results import (
    ClaimResult,
    Cost,
    Environment,
    Finding,
    Gate,
    GateCheck,
    ImageCard,
    ReleaseCard,
    Results,
    SchemeCard,
    StageRecord,
)
from ihaudit.stats import Estimate

HOSTILE = (
    '<script>alert("docstring")</script><img src=x onerror=alert(1)> & </style></pre> {{ 7 * 7 }} ‮bidi‬ “ümläut” 漢字 λ₁'
)
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


def arrays(n: int = 40, channels: int = 3, size: int = 32) -> dict[str, NDArray]:
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


def _attack_metrics(mean: float, n: int) -> dict[str, Estimate]:
    return {
        "ssim": Estimate(mean, mean - 0.03, mean + 0.03, n),
        "ssim_median": Estimate(mean + 0.02, mean - 0.02, mean + 0.05, n),
        "ssim_q90": Estimate(mean + 0.2, mean + 0.16, mean + 0.23, n),
        "ssim_best": Estimate(mean + 0.3, mean + 0.3, 1.0, n),
        "ssim_worst": Estimate(mean - 0.4, -1.0, mean - 0.4, n),
        "ssim_challenge": Estimate(mean - 0.1, mean - 0.14, mean - 0.06, n),
        "psnr": Estimate(19.4, 18.8, 20.1, n),
        "l2": Estimate(0.061, 0.05, 0.073, n),
        "reid": Estimate(0.95, 0.83, 0.99, n),
        "reid_above_chance": Estimate(0.9375, 0.8, 0.98, n),
        "ssim_chance": Estimate(0.05, 0.03, 0.07, n),
        "max_ssim": Estimate(mean - 0.12, mean - 0.15, mean - 0.08, 2000),
    }


def _attacks(n: int) -> list[Finding]:
    stages = [
        StageRecord(
            name="similarity", variant="abs-whitened", seconds=4.1, diagnostics={"pairs": 12_497_500, "auc_own": 0.71}
        ),
        StageRecord(
            name="grouping", variant="cliques", seconds=11.0, diagnostics={"estimated_n": 41, "residual": None}
        ),
        StageRecord(
            name="assignment",
            variant="flow",
            seconds=0.8,
            quality={"assignment_accuracy": 0.91, "pair_accuracy": 0.84, "purity": 0.93},
        ),
        StageRecord(name="coefficients", variant="labels", seconds=0.1, quality={"lambda_error": 0.013}),
        StageRecord(
            name="recovery", variant="em", seconds=31.7, diagnostics={"iterations": 60, "log_likelihood": -1.2e6}
        ),
    ]
    return [
        Finding(
            id="carlini",
            kind="attack",
            title="Clustering and phase retrieval",
            status="broken",
            metrics=_attack_metrics(0.63, n),
            primary="ssim_q90",
            cost=Cost(wall_s=48.2, cpu_s=88.0, peak_mb=1210.4),
            sentence="Groups encodings by similarity, then solves for the images: most private images come back.",
            reference="Carlini et al. 2021, sections 5 and 6",
            needs=["encodings", "labels"],
            stages=stages,
            details={
                "pairing": "provenance",
                "curves": {"log-likelihood": {"x": list(range(1, 61)), "y": [-3e6 / i for i in range(1, 61)],
                                              "xlabel": "iteration", "ylabel": "log-likelihood"}},
            },
        ),
        Finding(
            id="cluster-mean",
            kind="attack",
            title="Mean of each cluster",
            status="no break found",
            metrics=_attack_metrics(0.22, n),
            primary="ssim_q90",
            cost=Cost(wall_s=1.2, cpu_s=2.2, peak_mb=410.0),
            sentence="Averages the magnitudes of each group of encodings.",
            reference="Carlini et al. 2021, section 5",
            needs=["encodings", "labels"],
        ),
        Finding(
            id="prng-seedless",
            kind="attack",
            title="Mask generator without its seed",
            status="broken",
            metrics={"unmask_sign_accuracy": Estimate(1.0, 0.999, 1.0, 2000)},
            primary="unmask_sign_accuracy",
            cost=Cost(wall_s=14.8, cpu_s=14.6, gpu_s=3.2, peak_mb=700.0),
            sentence="The state of the mask generator was recovered from 24 encodings; every later mask is predicted",
            reference="Carlini et al. 2021, section 7",
            needs=["encodings", "code"],
            details={"notes": ["19,937 bits of state from 21,000 equations.", "No seed was searched for."]},
        ),
        Finding(
            id="fusion-denoising",
            kind="attack",
            title="Fusion-denoising network",
            status="not run",
            reason="the preset quick leaves it out (it runs in standard, full)",
            reference="Luo et al. 2022",
            needs=["encodings", "labels", "distribution"],
        ),
        Finding(
            id="public-regression",
            kind="attack",
            title="Regression on the public set",
            status="not run",
            reason="the claim's adversary lacks public set (see --knows)",
            needs=["encodings", "public_set"],
            requested=True,
        ),
    ]  # fmt: skip


def _games() -> list[Finding]:
    fpr = np.geomspace(1e-3, 1, 60)
    rocs = [{"fpr": fpr.tolist(), "tpr": (fpr**p).tolist()} for p in (0.35, 0.6, 0.95)]
    return [
        Finding(
            id="instance",
            kind="game",
            title="Instance game with many concepts",
            status="broken",
            metrics={
                "advantage": Estimate(0.282, 0.24, 0.32, 2000),
                "advantage_paper_rule": Estimate(0.11, 0.066, 0.153, 2000),
                "accuracy": Estimate(0.54, 0.53, 0.55, 4000),
            },
            primary="advantage",
            cost=Cost(wall_s=8.4, cpu_s=15.9),
            sentence="Shown one encoding, an adversary tells which of two same-class images it hides in 64 % of cases; "
            "guessing gives 50 %.",
            reference="Carlini et al. 2021, Definition 5 and Theorem 4",
            needs=["oracle", "distribution"],
            details={
                "roc": rocs[0],
                "floor": {"value": 0.07, "formula": "max over theta of 1 − e/(1 − theta) − kappa(theta)",
                          "note": "constant as derived in our documentation"},
                "epsilon": {"lower": {"value": 0.6, "low": 0.49, "high": None, "n": 2000}, "delta": 1e-5, "ceiling": 5.6,
                            "kind": "local, replace-one"},
                "table": {"columns": ["concepts", "agreement", "note"], "rows": [[1, 0.5, None], [16, 0.61, "x"], [64, 0.64, HOSTILE]]},
                "tables": {"By class": {"columns": ["class", "advantage"], "rows": [[c, 0.1 * c] for c in range(60)]}},
                "curves": {
                    "ridge": {"x": [1, 4, 16, 64], "y": [0.05, 0.12, 0.2, 0.28], "xlabel": "concepts", "ylabel": "advantage", "log": True},
                    "matched filter": {"x": [1, 4, 16, 64], "y": [0.3, 0.31, 0.3, 0.32], "xlabel": "concepts", "ylabel": "advantage", "log": True},
                },
                "flags": ["the paper's rule was vacuous on half of the thresholds"],
            },
        ),
        Finding(
            id="pair",
            kind="game",
            title="Do two encodings share an image?",
            status="broken",
            metrics={"advantage": Estimate(0.164, 0.10, 0.23, 800), "auc": Estimate(0.62, 0.58, 0.66, 800)},
            primary="advantage",
            cost=Cost(wall_s=3.1, cpu_s=6.0),
            sentence="Of two encodings an adversary says whether they hide the same image in 58 % of cases.",
            reference="Carlini et al. 2021, section 4",
            needs=["oracle", "distribution"],
            details={"roc": rocs[1], "epsilon": {"lower": {"value": 5.6, "low": 5.58, "n": 800}, "delta": 0, "ceiling": 5.6}},
        ),
        Finding(
            id="side-channel",
            kind="game",
            title="Everything but the pixels",
            status="no break found",
            metrics={"advantage": Estimate(-0.01, -0.05, 0.034, 2000)},
            primary="advantage",
            cost=Cost(wall_s=0.9, cpu_s=1.7),
            sentence="Row order, types, labels and times say nothing that was found about which image was encoded.",
            needs=["oracle"],
            details={"roc": rocs[2]},
        ),
        Finding(id="dataset", kind="game", title="Dataset game", status="not run", needs=["oracle"],
                reason="the preset quick leaves it out (it runs in standard, full)"),
        Finding(id="utility", kind="utility", title="Accuracy on encodings and on plain data", status="measured",
                metrics={"accuracy_plain": Estimate(0.61, 0.58, 0.64, 1000), "accuracy_encoded": Estimate(0.54, 0.51, 0.57, 1000)},
                sentence="A ridge learner trained on encodings is right in 61 % of plain images; guessing gives 25 %."),
        Finding(id="decomposable", kind="check", title="Encoded images do not depend on labels", status="no break found",
                sentence="Two label vectors, the same seed: bit-identical encodings."),
        Finding(id="ks", kind="marginal", title="Marginal tests (Kolmogorov-Smirnov)", status="measured",
                sentence="12 of 45 pairs rejected at Holm 5 %.",
                details={"table": {"columns": ["statistic", "pairs rejected", "smallest p"],
                                   "rows": [["mean", 3, 0.002], ["variance", 12, 1.3e-7]]}}),
    ]  # fmt: skip


def _others(n: int) -> list[Finding]:
    def control(id_: str, title: str, status: Any, sentence: str) -> Finding:
        return Finding(id=id_, kind="control", title=title, status=status, sentence=sentence)

    baselines = [("mean-image", "Mean image", 0.08), ("nearest-public", "Nearest public image", 0.13),
                 ("mean-encoding", "Mean of |encodings|", 0.06)]  # fmt: skip
    return [
        *[
            Finding(id=i, kind="baseline", title=t, status="measured",
                    metrics={"ssim": Estimate(v, v - 0.01, v + 0.01, n), "reid": Estimate(0.0125, 0.001, 0.05, n)})
            for i, t, v in baselines
        ],
        control("control-identity", "identity", "broken", "Must come out broken, and did (SSIM 1.000)."),
        control("control-mixup", "mixup, k = 2", "broken", "Must come out broken, and did (SSIM 0.914)."),
        control("control-noise", "independent noise", "no break found", "Must not come out broken, and did not."),
        control("control-constant", "constant", "no break found", "Must not come out broken, and did not."),
        Finding(id="plain-copies", kind="check", title="Private images repeated in a released field", status="no break found",
                sentence="No released field repeats a private image."),
    ]  # fmt: skip


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
            log=LOG,
        ),
        release=ReleaseCard(
            encodings=[2000, 32, 32, 3], dtype="float32", labels=[2000, 4], image_range=[-1.0, 1.0], sha256="ab" * 32,
            has_provenance=True, encode_s=0.8, extra={"key_id": [2000]},
        ),
        private=ImageCard(name="embedded:private", count=n, shape=[32, 32, 3], classes=4, sha256="01" * 32),
        public=ImageCard(name="embedded:public", count=900, shape=[32, 32, 3], classes=6, sha256="02" * 32),
        adversary=ADVERSARY,
        findings=[*_games(), *_attacks(n), *_others(n)],
        claims=[
            ClaimResult(
                text="no private image can be recovered with SSIM above 0.3 by an adversary who has code, encodings, labels",
                quantity="ssim", bound=0.3, adversary=["encodings", "labels", "code"], status="refuted",
                measured=Estimate(0.93, 0.93, 1.0, n), by="carlini",
            ),
            ClaimResult(
                text="releases are epsilon = 8, delta = 1e-05 differentially private", quantity="epsilon", bound=8.0,
                adversary=["encodings"], status="inconclusive", reason="the claim's adversary lacks oracle",
            ),
        ],
        gate=Gate(
            status="missed", exit_code=1, statistic="90 % quantile of SSIM over private images", bound=0.5, measured=measured,
            by="carlini", sentence="Gate missed.",
            checks=[
                GateCheck(name="ssim", statistic="90 % quantile of SSIM over private images", measured=measured, bound=0.5,
                          met=False, by="carlini"),
                GateCheck(name="reid", statistic="re-identification above chance", measured=Estimate(0.9375, 0.8, 0.98, n),
                          bound=0.05, met=False, by="carlini"),
            ],
        ),
        cost=Cost(wall_s=151.3, cpu_s=262.0, gpu_s=3.2, peak_mb=1210.4),
        price_per_hour={"cpu": 0.05, "gpu": 2.5},
        environment=Environment(
            ihaudit="0.1.0", python="3.11.2", platform="Linux-6.1-x86_64", packages={"numpy": "2.4.1", "torch": "2.13.0"},
            device="cpu", device_name="Some CPU @ 2.40 GHz", cores=2,
            command="ihaudit run examples/scheme.py:InstaHide --set k=6 --profile quick --seed 7",
            started="2026-01-02T03:04:05+00:00", finished="2026-01-02T03:06:36+00:00", weights={"restorer": "cd" * 32},
            ssim={"data_range": 1.0, "window": "gaussian 11, sigma 1.5"},
        ),
    )  # fmt: skip


if __name__ == "__main__":
    from ihaudit.report import render
    from ihaudit.results import read_arrays, read_results, write_results

    folder = Path(sys.argv[1])
    write_results(folder, results(), arrays())
    for path in render(read_results(folder), read_arrays(folder), folder, tuple(sys.argv[2:]) or ("html", "pdf")):
        print(path, path.stat().st_size)
