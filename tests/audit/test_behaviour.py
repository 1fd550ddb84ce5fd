"""What a scheme's code asks about where it runs is noted, and can be answered otherwise."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ihaudit.audit.behaviour import looks_around
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
