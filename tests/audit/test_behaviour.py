"""What a scheme's code asks about where it runs is noted, and can be answered otherwise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ihaudit.audit.surroundings import decides_by, looks_around, words_in
from ihaudit.sandbox.elsewhere import Elsewhere
from ihaudit.sandbox.loader import locate

ASKING = """
import os, time
from pathlib import Path
import numpy as np
from ihaudit import Release, Scheme

class Asking(Scheme):
    "Says what it sees."
    def encode(self, images, labels, public, rng):
        seen = [time.localtime().tm_hour, Path("key").exists(), os.environ.get("DEPLOYED") == "yes"]
        return Release(np.tile(np.array(seen, np.float32), (len(images), 1)))
"""


def _seen(path: Path, **answers: object) -> tuple[list[float], set[tuple[str, str]]]:
    images = np.zeros((2, 8, 8, 3), np.float32)
    with Elsewhere(locate(str(path)), {}, answers=answers) as scheme:
        release = scheme.encode(images, np.zeros(2, np.int64), seed=1)
        return release.encodings[0].tolist(), scheme.asked


def test_questions_are_noted_and_answered(tmp_path: Path) -> None:
    path = tmp_path / "asking.py"
    path.write_text(ASKING)
    seen, asked = _seen(path)
    assert {kind for kind, _ in asked} == {"clock", "file", "variable"}
    assert ("variable", "DEPLOYED") in asked
    assert seen[1:] == [0, 0]
    night = 3 * 3600.0
    assert _seen(path, now=night, exists=True, value="yes")[0] == [3, 1, 1]


def test_code_that_looks_at_who_runs_it() -> None:
    assert looks_around("import sys\nif 'pytest' in sys.modules: pass") == ["sys.modules"]
    assert looks_around("import ihaudit.sandbox.worker\nfrom ihaudit.audit import traits") == ["ihaudit.audit"]
    assert looks_around("import numpy as np\nx = np.zeros(3)") == []
    assert looks_around("not python (") == []


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("import os\nif (os.cpu_count() or 1) >= 64: pass", ["os.cpu_count"]),
        ("import time as t\nbegan = t.monotonic()\nlate = began\nx = 1 if late > 9 else 2", ["time.monotonic"]),
        ("from time import tzname\nshown = tzname[0] not in ('UTC',)", ["time.tzname"]),
        ("import threading as h, numpy as np\ny = np.where(h.active_count() - 1, 1, 2)", ["threading.active_count"]),
        ("import os\nworkers = min(4, os.cpu_count() or 1)\nseed = os.getpid()", []),
        ("import sys\nif __name__ == '__main__':\n    if len(sys.argv) > 1: pass", []),
        ("import sys\nif '/x' not in sys.path: sys.path.append('/x')", []),
        ("not python (", []),
    ],
)
def test_decisions_by_where_and_when_are_seen_in_the_text(text: str, names: list[str]) -> None:
    assert decides_by(text) == names


def test_texts_that_variables_are_compared_with() -> None:
    text = "import os\nif how == 'a': pass\nshown = os.environ.get('USER', '') == 'deploy'"
    assert words_in(text) == ["deploy", "USER", "a"]
    assert words_in("not python (") == []
