#!/usr/bin/env bash
# torchmetrics: the AUC of the same scores is .78, .74 or .50, by how they are batched and where their zero is.
#
# Believed: AUC depends on the order of the scores only, so not on an offset, a unit, or the batches they come in.
# Seen (torchmetrics 1.9.0, torch 2.13.0 on the CPU, scikit-learn 1.9.1, numpy 2.4.6, Python 3.11, Linux x86-64): scores
#   of which one is outside 0..1 are taken for logits and go through a sigmoid (documented); this is decided for each
#   batch, so that small batches mix raw scores with sigmoids. In float32 the sigmoid of anything above 17 is 1, and all
#   scores are tied. scikit-learn gives .783 to all.
# Output seen (2,000 scores of 0 to 2.5, half of them of members):
#   one batch 0.783   batches of 10 0.737   of 1 0.778   all scores + 20: 0.500   scikit-learn: 0.783, + 20: 0.783
# Why it matters: losses, distances and likelihoods are the scores of a membership game, and none of them ends at 1. An
#   attack that works is reported as guessing, where its scores are above 17.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile torch==2.13.0 torchmetrics==1.9.0 scikit-learn==1.9.1 numpy==2.4.6
"$work/venv/bin/python" - <<'PY'
import numpy as np
import torch
from sklearn.metrics import roc_auc_score
from torchmetrics.classification import BinaryAUROC

rng = np.random.default_rng(0)
member = rng.integers(0, 2, 2000)
score = np.abs(0.5 * rng.standard_normal(2000)) + 0.3 * member


def auc(scores, batch):
    metric = BinaryAUROC()
    for at in range(0, len(scores), batch):
        metric.update(
            torch.tensor(scores[at : at + batch], dtype=torch.float32), torch.tensor(member[at : at + batch])
        )
    return metric.compute().item()


whole, tens, ones, high = auc(score, 2000), auc(score, 10), auc(score, 1), auc(score + 20, 2000)
right = roc_auc_score(member, score), roc_auc_score(member, score + 20)
print(f"one batch {whole:.3f}   of 10 {tens:.3f}   of 1 {ones:.3f}   + 20 {high:.3f}   scikit-learn", *right)
assert abs(whole - right[0]) < 1e-4 and abs(right[0] - right[1]) < 1e-9, "behaviour has changed"
assert whole - tens > 0.03 and high == 0.5, "behaviour has changed"
PY
