#!/usr/bin/env bash
# torch: `linalg.lstsq` answers the same question differently from call to call, on one CPU thread.
#
# Believed: on one thread of a CPU the same numbers give the same answer to the bit; what is random says so.
# Seen (torch 2.13.0 on the CPU, numpy 2.4.6, Python 3.11, Linux x86-64): with its default driver (gelsy) lstsq gives
#   several answers, apart by last bits, to 3,000 calls with the same 96 x 2 numbers in a process in which memory
#   comes and goes. The drivers gels and gelsd give one, and so does the default once deterministic algorithms are
#   asked for, which fills new memory: by that, what differs is something that is not filled before it is read. Nor
#   does asking for them warn of lstsq.
# Output seen (answers to 3,000 calls):
#   gelsy: more than 1   gelsd: 1   gels: 1   gelsy, deterministic algorithms: 1
# Why it matters: an attack with a fixed seed is thought to be repeatable; where it decides by likelihoods (which images
#   an encoding holds), last bits grow to other pictures, and two audits of one release differ without a cause.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile torch==2.13.0 numpy==2.4.6
"$work/venv/bin/python" - <<'PY'
import torch

torch.set_num_threads(1)
left = torch.rand(96, 2, generator=torch.Generator().manual_seed(0))
right = torch.ones(96, 1)


def answers(driver):
    kept, seen = [], set()
    for call in range(3000):
        kept.append(bytes(17 * (call % 61) + 1))
        kept = kept[:: 2 if call % 7 == 0 else 1]
        solved = torch.linalg.lstsq(left.clone(), right.clone(), driver=driver).solution
        seen.add(solved.numpy().tobytes())
    return len(seen)


default, stable, full_rank = answers("gelsy"), answers("gelsd"), answers("gels")
torch.use_deterministic_algorithms(True)
filled = answers("gelsy")
print(f"gelsy: {default}   gelsd: {stable}   gels: {full_rank}   gelsy, deterministic algorithms: {filled}")
assert default > 1 and stable == full_rank == filled == 1, "behaviour has changed"
PY
