"""What guessing reaches, and how far an attack is above it: here only how it is called."""

from __future__ import annotations

from ihaudit.contracts.metric import Metric, named

named(Metric("ssim_flat", "SSIM of each image’s own mean colour, mean", floor=-1.0, ceiling=1.0, order=31))
named(
    Metric(
        "ssim_chance",
        "SSIM of the same pictures on decoys, mean",
        hint="chance level of matching",
        floor=-1.0,
        ceiling=1.0,
        order=32,
    )
)
named(
    Metric("ssim_q90_chance", "SSIM of the same pictures on decoys, 90 % quantile", floor=-1.0, ceiling=1.0, order=33)
)
named(
    Metric(
        "ssim_polarity",
        "SSIM in the best of four polarities, mean",
        hint="as answered, mirrored, as a negative, or both; each image in its own",
        floor=-1.0,
        ceiling=1.0,
        order=17,
    )
)
named(Metric("above_baseline", "SSIM above the best baseline, of what was left to gain", "%"))
