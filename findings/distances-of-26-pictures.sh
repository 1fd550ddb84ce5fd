#!/usr/bin/env bash
# torch: from 26 pictures on, cdist no longer knows which of two near-identical ones is nearer.
#
# Believed: the distance of two rows depends on the two rows, and that of a row to itself is 0.
# Seen (torch 2.13.0 on the CPU, numpy 2.4.6, Python 3.11, Linux x86-64): up to 25 rows on both sides cdist subtracts;
#   with 26 on one it computes a^2 - 2ab + b^2 by a matrix product, in float32. Of 3072 values in 0..1 a row is then up
#   to .02 from itself, which is more than near-identical pictures are from one another.
#   compute_mode="donot_use_mm_for_euclid_dist" puts it right.
# Output seen (pictures that differ by noise of .0003 a pixel, against copies with a third of that; nearest is the right
#   one, largest distance of a picture to itself):
#   25 pictures 1.00 0.000   26 pictures 0.92 0.016   60 pictures 0.87 0.019   60, subtracted 1.00 0.000
#   with noise of .0001: 25 pictures 1.00   26 pictures 0.04
# Why it matters: frames of a film, slices of a scan and repeated exposures are such sets. A re-identification that is
#   certain is reported as failed, and a test with a few pictures shows nothing.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile torch==2.13.0 numpy==2.4.6
"$work/venv/bin/python" - <<'PY'
import torch

generator = torch.Generator().manual_seed(0)


def measured(noise):
    scene = torch.rand(1, 3072, generator=generator)
    pictures = scene + noise * torch.randn(60, 3072, generator=generator)
    copies = pictures + 0.3 * noise * torch.randn(60, 3072, generator=generator)
    out = {}
    for n, mode in ((25, "if_necessary"), (26, "if_necessary"), (60, "if_necessary"), (60, "never")):
        how = "use_mm_for_euclid_dist_if_necessary" if mode == "if_necessary" else "donot_use_mm_for_euclid_dist"
        nearest = torch.cdist(copies[:n], pictures[:n], compute_mode=how).argmin(1)
        itself = torch.cdist(pictures[:n], pictures[:n], compute_mode=how).diagonal().max()
        out[n, mode] = round(float((nearest == torch.arange(n)).double().mean()), 2), round(float(itself), 3)
    return out


some, few = measured(0.0003), measured(0.0001)
print("noise of .0003", some)
print("noise of .0001", few)
for found in (some, few):
    assert found[25, "if_necessary"] == found[60, "never"] == (1, 0), "behaviour has changed"
assert some[60, "if_necessary"][0] < 0.95 and few[26, "if_necessary"][0] < 0.5, "behaviour has changed"
assert few[26, "if_necessary"][1] > 0.005, "behaviour has changed"
PY
