#!/usr/bin/env bash
# SciPy: the paired t-test of two 8-bit pictures finds a difference of 48 standard errors where there is none.
#
# Believed: a test gives the same p for bytes as for the same numbers as floats; SciPy's tests convert what they get.
# Seen (scipy 1.17.1, numpy 2.4.6, Python 3.11, Linux x86-64): ttest_rel subtracts in the type of its input, where
#   a - b of bytes is modulo 256, and tests whether that has mean 0. ttest_ind, wilcoxon, mannwhitneyu, ks_2samp and
#   pearsonr of the same bytes are right.
# Output seen (two unrelated pictures of 28 x 28 random bytes; p, of bytes and of floats):
#   ttest_rel 8e-236 .70   ttest_ind .69 .69   wilcoxon .85 .85   the largest of 20 pairs: ttest_rel 1e-218 for bytes
# Why it matters: a paired test over pixels, ranks or 8-bit scores is how "this encoding shifts the picture" or "this
#   attack is better than that one" is decided. It always says yes, with a p that needs no correction for many tests.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile scipy==1.17.1 numpy==2.4.6
cd "$work"
"$work/venv/bin/python" - <<'PY'
import numpy as np
from scipy import stats

generator = np.random.default_rng(0)
found = {}
for _ in range(20):
    one, other = generator.integers(0, 256, (2, 784), dtype=np.uint8)
    for name in ("ttest_rel", "ttest_ind", "wilcoxon", "mannwhitneyu", "ks_2samp", "pearsonr"):
        test = getattr(stats, name)
        pair = float(test(one, other).pvalue), float(test(one.astype(float), other.astype(float)).pvalue)
        found.setdefault(name, []).append(pair)
for name, pairs in found.items():
    as_bytes, as_floats = np.transpose(pairs)
    below = [int((ps < 0.05).sum()) for ps in (as_bytes, as_floats)]
    print(name, "p of bytes, floats", *(f"{p:.3g}" for p in pairs[0]), end="   ")
    print(f"largest of bytes {as_bytes.max():.2g}   below .05: {below}")
    if name == "ttest_rel":
        assert as_bytes.max() < 1e-50 and (as_floats < 0.05).sum() < 5, "behaviour has changed"
    else:
        assert np.allclose(as_bytes, as_floats), "behaviour has changed"
PY
