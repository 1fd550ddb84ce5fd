"""An attack's own figures, where there is no truth to score it by: here only how they are called."""

from __future__ import annotations

from ihaudit.contracts.metric import Metric, named

named(Metric("confidence", "The attack’s own estimate of SSIM, mean", hint="no comparison with the originals"))
named(
    Metric("agreement", "Agreement with the release, mean correlation", hint="1 = the encodings are wholly explained")
)
