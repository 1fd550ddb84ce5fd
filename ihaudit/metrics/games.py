"""What games measure: here only how it is called."""

from __future__ import annotations

from ihaudit.contracts.metric import Metric, named

named(Metric("advantage", "Advantage", hint="0 = guessing, 1 = certainty", floor=-1.0, ceiling=1.0, gated=True))
named(Metric("auc", "AUC", hint="0.5 = guessing, 1 = certainty", floor=0.0, ceiling=1.0))
named(Metric("accuracy", "Accuracy", "%", floor=0.0, ceiling=1.0))
named(Metric("epsilon", "Epsilon, lower bound", floor=0.0))
named(Metric("floor", "Floor predicted by the theorem"))
