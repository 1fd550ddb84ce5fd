"""Terms in plain words, and the sources behind attacks and games."""

from __future__ import annotations

from typing import Any

from ihaudit.contracts.format import Source
from ihaudit.contracts.section import section
from ihaudit.report.contents import place
from ihaudit.results import Results

#: Other sections are named by their ids in braces.
TERMS = (
    ("advantage", "2 Pr[right] − 1 in a game with two equally likely answers: 0 is guessing, 1 is certainty."),
    (
        "adversary",
        "whoever attacks; what it knows is listed in {adversary}, and an audit is always against such a list.",
    ),
    ("AUC", "the area under a ROC curve; 0.5 is guessing, 1 is certainty."),
    (
        "baseline",
        "a guess that does not attack (mean image, nearest public image, mean of |encodings|), for comparison.",
    ),
    ("broken", "an attack or game did better than the bound, beyond its confidence interval."),
    ("ceiling", "the largest epsilon that this many trials could have shown, even for a scheme that hides nothing."),
    (
        "control",
        "a scheme with a known answer that every audit runs beside the audited one: identity and mixup must come out "
        "broken, "
        "independent noise and a constant must not. Otherwise the audit is inconclusive.",
    ),
    ("encoding", "what a scheme publishes in place of private images."),
    (
        "epsilon, delta",
        "the constants of differential privacy. An audit can only bound epsilon from below; it is never “epsilon = …”.",
    ),
    ("floor", "the advantage that a theorem guarantees to some adversary, computed from the measured accuracy."),
    (
        "game",
        "an experiment with a challenger who hides a random bit and an adversary who must name it; the formal way to "
        "say that "
        "something leaks.",
    ),
    ("inconclusive", "the measurement cannot be relied on, so that neither “broken” nor “no break found” may be said."),
    ("interval", "95 % confidence interval unless another level is stated; in brackets after the value."),
    ("L2", "mean squared difference per value on [−1, 1]; 0 is identical."),
    (
        "no break found",
        "what was tried stayed within the bound. An audit can refute a claim of privacy; it can never prove one.",
    ),
    ("PSNR", "peak signal-to-noise ratio in decibels; higher is closer to the original."),
    ("provenance", "which private images are in which encoding; known to the scorer only."),
    (
        "quantile",
        "the 90 % quantile is the score that 90 % of private images do not exceed: what happens to those hit hardest.",
    ),
    ("re-identified", "among all private images and as many decoys, the reconstruction is nearest to the right one."),
    ("ROC curve", "share of hits against share of false alarms, over all thresholds."),
    (
        "SSIM",
        "structural similarity, 1 for identical images. Here: images in [0, 1], data range 1, Gaussian window of 11, "
        "sigma 1.5, population covariance, mean over channels.",
    ),
    (
        "SSIM of the challenge",
        "scikit-image’s defaults (uniform 7 × 7 window) on [−1, 1] with data range 2, for comparison with published "
        "figures; "
        "it is stricter, and the two are not to be mixed.",
    ),
)

REFERENCES = (
    "N. Carlini, S. Deng, S. Garg, S. Jha, S. Mahloujifar, M. Mahmoody, S. Song, A. Thakurta, F. Tramèr. Is Private "
    "Learning "
    "Possible with Instance Encoding? IEEE S&P 2021, arXiv 2011.05315.",
    "N. Carlini. InstaHide Disappointingly Wins Bell Labs Prize, 2nd Place. 2020. (The seven questions{questions}.)",
    "Y. Huang, Z. Song, K. Li, S. Arora. InstaHide: Instance-hiding Schemes for Private Distributed Learning. ICML "
    "2020, "
    "arXiv 2010.02772.",
    "X. Luo, X. Xiao, Y. Wu, J. Liu, B. C. Ooi. A Fusion-Denoising Attack on InstaHide with Data Augmentation. AAAI "
    "2022, "
    "arXiv 2105.07754.",
    "Z. Wang, A. C. Bovik, H. R. Sheikh, E. P. Simoncelli. Image quality assessment: from error visibility to "
    "structural "
    "similarity. IEEE Transactions on Image Processing, 2004.",
    "C. J. Clopper, E. S. Pearson. The use of confidence or fiducial limits illustrated in the case of the binomial. "
    "1934.",
)


@section("glossary", "Glossary and references", order=120, reports=("audit", "challenge"))
def build(source: Source) -> dict[str, Any]:
    results = source.results
    questions = place(results, "limits")
    places = {
        "adversary": place(results, "scheme", "challenge_release"),
        "questions": f" of {questions}" if questions else "",
    }
    return {
        "terms": [(term, text.format(**places)) for term, text in TERMS],
        "references": [text.format(**places) for text in REFERENCES],
        "finding_references": _references(results),
    }


def _references(results: Results) -> list[tuple[str, str]]:
    """(title, reference) of each finding that states one, once each."""
    seen: dict[str, str] = {}
    for f in results.findings:
        if f.reference and f.kind != "control":
            seen.setdefault(f.reference, f.title)
    return [(title, reference) for reference, title in seen.items()]
