"""Findings of the synthetic audit; see `tests.report.synthetic`."""

from __future__ import annotations

from typing import Any

import numpy as np

from ihaudit.results import Cost, Finding, StageRecord
from ihaudit.stats import Estimate

HOSTILE = (
    '<script>alert("docstring")</script><img src=x onerror=alert(1)> & </style></pre> {{ 7 * 7 }} '
    "\u202ebidi\u202c “ümläut” 漢字 λ₁"
)


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


def attacks(n: int) -> list[Finding]:
    """Attacks of every outcome, two of them not run."""
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
                "curves": {
                    "log-likelihood": {
                        "x": list(range(1, 61)),
                        "y": [-3e6 / i for i in range(1, 61)],
                        "xlabel": "iteration",
                        "ylabel": "log-likelihood",
                    }
                },
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
            reason="the profile quick leaves it out (it runs in standard, full)",
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
    ]


def games() -> list[Finding]:
    """Games, utility, checks and marginal tests."""
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
                "floor": {
                    "value": 0.07,
                    "formula": "max over theta of 1 − e/(1 − theta) − kappa(theta)",
                    "note": "constant as derived in our documentation",
                },
                "epsilon": {
                    "lower": {"value": 0.6, "low": 0.49, "high": None, "n": 2000},
                    "delta": 1e-5,
                    "ceiling": 5.6,
                    "kind": "local, replace-one",
                },
                "table": {
                    "columns": ["concepts", "agreement", "note"],
                    "rows": [[1, 0.5, None], [16, 0.61, "x"], [64, 0.64, HOSTILE]],
                },
                "tables": {"By class": {"columns": ["class", "advantage"], "rows": [[c, 0.1 * c] for c in range(60)]}},
                "curves": {
                    "ridge": {
                        "x": [1, 4, 16, 64],
                        "y": [0.05, 0.12, 0.2, 0.28],
                        "xlabel": "concepts",
                        "ylabel": "advantage",
                        "log": True,
                    },
                    "matched filter": {
                        "x": [1, 4, 16, 64],
                        "y": [0.3, 0.31, 0.3, 0.32],
                        "xlabel": "concepts",
                        "ylabel": "advantage",
                        "log": True,
                    },
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
            details={
                "roc": rocs[1],
                "epsilon": {"lower": {"value": 5.6, "low": 5.58, "n": 800}, "delta": 0, "ceiling": 5.6},
            },
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
        Finding(
            id="dataset",
            kind="game",
            title="Dataset game",
            status="not run",
            needs=["oracle"],
            reason="the profile quick leaves it out (it runs in standard, full)",
        ),
        Finding(
            id="utility",
            kind="utility",
            title="Accuracy on encodings and on plain data",
            status="measured",
            metrics={
                "accuracy_plain": Estimate(0.61, 0.58, 0.64, 1000),
                "accuracy_encoded": Estimate(0.54, 0.51, 0.57, 1000),
            },
            sentence="A ridge learner trained on encodings is right in 61 % of plain images; guessing gives 25 %.",
        ),
        Finding(
            id="decomposable",
            kind="check",
            title="Encoded images do not depend on labels",
            status="no break found",
            sentence="Two label vectors, the same seed: bit-identical encodings.",
        ),
        Finding(
            id="ks",
            kind="marginal",
            title="Marginal tests (Kolmogorov-Smirnov)",
            status="measured",
            sentence="12 of 45 pairs rejected at Holm 5 %.",
            details={
                "table": {
                    "columns": ["statistic", "pairs rejected", "smallest p"],
                    "rows": [["mean", 3, 0.002], ["variance", 12, 1.3e-7]],
                }
            },
        ),
    ]


def others(n: int) -> list[Finding]:
    """Baselines and controls."""

    def control(id_: str, title: str, status: Any, sentence: str) -> Finding:
        return Finding(id=id_, kind="control", title=title, status=status, sentence=sentence)

    baselines = [
        ("mean-image", "Mean image", 0.08),
        ("nearest-public", "Nearest public image", 0.13),
        ("mean-encoding", "Mean of |encodings|", 0.06),
    ]
    return [
        *[
            Finding(
                id=i,
                kind="baseline",
                title=t,
                status="measured",
                metrics={"ssim": Estimate(v, v - 0.01, v + 0.01, n), "reid": Estimate(0.0125, 0.001, 0.05, n)},
            )
            for i, t, v in baselines
        ],
        control("control-identity", "identity", "broken", "Must come out broken, and did (SSIM 1.000)."),
        control("control-mixup", "mixup, k = 2", "broken", "Must come out broken, and did (SSIM 0.914)."),
        control("control-noise", "independent noise", "no break found", "Must not come out broken, and did not."),
        control("control-constant", "constant", "no break found", "Must not come out broken, and did not."),
        Finding(
            id="plain-copies",
            kind="check",
            title="Private images repeated in a released field",
            status="no break found",
            sentence="No released field repeats a private image.",
        ),
    ]
