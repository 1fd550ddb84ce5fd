#!/usr/bin/env bash
# scipy: a binomial test says that a rate is not chance, and its own exact interval that it may be.
#
# Believed: binomtest's p-value is below .05 just where its 95 % "exact" interval leaves out the rate tested; both are
#   exact, and are methods of one result.
# Seen (scipy 1.17.1, numpy 2.4.6, Python 3.11, Linux x86-64): at a chance of 1/2 it is so. Elsewhere the two-sided
#   p-value adds what is less likely on the other side, and the interval halves 5 % between the sides (Clopper-Pearson).
#   The one-sided test and interval agree.
# Output seen (5 of 20 pictures told from ten candidates, chance .1):
#   p-value 0.043, interval 0.087 to 0.491, which holds .1   all n to 100 and successes: chance 1/2 0, 1/10 9, 1/100 8
#   cases of contradiction; one-sided 0 in all
# Why it matters: re-identification and label games have chances of 1/10 and 1/100. The same run is "above chance" in
#   the table and "no better than guessing" in the figure; a gate has to take one of the two, or ask one side only.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile --no-deps scipy==1.17.1 numpy==2.4.6
"$work/venv/bin/python" - <<'PY'
from scipy.stats import binomtest


def contradictions(chance, side):
    count = 0
    for trials in range(5, 101, 5):
        for successes in range(trials + 1):
            test = binomtest(successes, trials, chance, alternative=side)
            interval = test.proportion_ci(0.95, "exact")
            count += (test.pvalue < 0.05) == (interval.low <= chance <= interval.high)
    return count


test = binomtest(5, 20, 0.1)
interval = test.proportion_ci(0.95, "exact")
both, one = ([contradictions(chance, side) for chance in (0.5, 0.1, 0.01)] for side in ("two-sided", "greater"))
print(f"p-value {test.pvalue:.3f} interval {interval.low:.3f} {interval.high:.3f}", both, one)
assert test.pvalue < 0.05 and interval.low < 0.1 < interval.high, "behaviour has changed"
assert both[0] == 0 and min(both[1:]) > 0 and one == [0, 0, 0], "behaviour has changed"
PY
