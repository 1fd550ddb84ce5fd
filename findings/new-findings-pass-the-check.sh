#!/usr/bin/env bash
# sarif-tools: `--check error diff OLD NEW` passes where an error was added, if its rule had one before.
#
# Believed: with --check, diff fails on "an increase in issues at that level", as its help has it.
# Seen (sarif-tools 3.0.5, Python 3.11, Linux x86-64): it counts kinds of issue (rule and message), not issues. A second
#   error of the same rule is printed ("1 -> 2 (+1)") and the exit code is 0; an error that went away in one file and
#   came in another is "no changes". Only a rule or message that was not there at all fails.
# Output seen (exit code):
#   same 0   one more of the rule 0   twenty more 0   other file 0   a rule that is new 1
# Why it matters: a privacy gate in CI that compares with the last run stays green when a second scheme, or a second
#   client, begins to leak by the attack by which the first one leaks already.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile sarif-tools==3.0.5
"$work/venv/bin/python" - "$work" <<'PY'
import json
import pathlib
import subprocess
import sys


def written(name, issues):
    results = [
        {
            "ruleId": rule,
            "level": "error",
            "message": {"text": "images recovered"},
            "locations": [{"physicalLocation": {"artifactLocation": {"uri": file}, "region": {"startLine": 1}}}],
        }
        for rule, file in issues
    ]
    runs = [{"tool": {"driver": {"name": "audit", "version": "1"}}, "results": results}]
    path = pathlib.Path(sys.argv[1], name + ".sarif")
    path.write_text(json.dumps({"version": "2.1.0", "runs": runs}))
    return str(path)


sarif = str(pathlib.Path(sys.executable).with_name("sarif"))
old = written("old", [("broken", "a.py")])
cases = {
    "same": [("broken", "a.py")],
    "one more of the rule": [("broken", "a.py"), ("broken", "b.py")],
    "twenty more": [("broken", "a.py")] + [("broken", f"b{i}.py") for i in range(20)],
    "other file": [("broken", "b.py")],
    "a rule that is new": [("broken", "a.py"), ("leaks", "b.py")],
}
codes = {}
for name, issues in cases.items():
    done = subprocess.run(
        [sarif, "--check", "error", "diff", old, written("new", issues)], capture_output=True, text=True
    )
    codes[name] = done.returncode
print(codes)
assert list(codes.values()) == [0, 0, 0, 0, 1], "behaviour has changed"
PY
