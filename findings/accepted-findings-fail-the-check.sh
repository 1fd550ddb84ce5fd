#!/usr/bin/env bash
# sarif-tools: a finding that was accepted, or that is gone, fails `--check` like a new one.
#
# Believed: results with an accepted suppression, and those marked baselineState "absent" (in the last run, not in
#   this), do not count, as SARIF 2.1.0 has both fields for that.
# Seen (sarif-tools 3.0.5, Python 3.11, Linux x86-64): without a filter file both are counted as errors, and the exit
#   code is 1. A result of kind "pass" without a level is counted as "none" and passes, as it should.
# Output seen (sarif --check error summary, exit code):
#   new 1   suppressed and accepted 1   baselineState absent 1   kind pass 0   no result 0
# Why it matters: a privacy gate in CI whose SARIF says "known, accepted until March" or "fixed" stays red by this
#   tool; the gate has to be the audit's own exit code, or accepted results have to be left out of the file.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile sarif-tools==3.0.5
"$work/venv/bin/python" - <<'PY'
import json
import pathlib
import subprocess
import sys
import tempfile

tool = {"driver": {"name": "audit", "version": "1"}}
place = [{"physicalLocation": {"artifactLocation": {"uri": "scheme.py"}, "region": {"startLine": 1}}}]
base = {"ruleId": "broken", "message": {"text": "images recovered"}, "locations": place}
cases = {
    "new": [base | {"level": "error"}],
    "suppressed and accepted": [
        base | {"level": "error", "suppressions": [{"kind": "external", "status": "accepted"}]}
    ],
    "baselineState absent": [base | {"level": "error", "baselineState": "absent"}],
    "kind pass": [base | {"kind": "pass"}],
    "no result": [],
}
sarif = str(pathlib.Path(sys.executable).with_name("sarif"))
codes = {}
with tempfile.TemporaryDirectory() as folder:
    for name, results in cases.items():
        file = pathlib.Path(folder, name.replace(" ", "-") + ".sarif")
        file.write_text(json.dumps({"version": "2.1.0", "runs": [{"tool": tool, "results": results}]}))
        done = subprocess.run([sarif, "--check", "error", "summary", str(file)], capture_output=True, text=True)
        codes[name] = done.returncode
print(codes)
assert list(codes.values()) == [1, 1, 1, 0, 0], "behaviour has changed"
PY
