"""What a scheme's code asks about where it runs is noted, and can be answered otherwise."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ihaudit.audit.behaviour import _Study
from ihaudit.audit.surroundings import decides_by, looks_around, words_in
from ihaudit.images import ImageSet
from ihaudit.release import Release
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


class _Oracle:
    """Encodes in this process: noise, and an array of the whole call."""

    def __init__(self, array: Callable[[NDArray[np.uint8], np.random.Generator], NDArray[Any]]) -> None:
        self.array = array

    def seconds(self, count: int) -> float:
        return 0.0

    def encode_many(self, calls: list[Any]) -> list[Release]:
        out = []
        for x, _, seed in calls:
            rng = np.random.default_rng(seed)
            made = self.array(np.rint(x * 255).astype(np.uint8), rng)
            out.append(Release(rng.random(x.shape, dtype=np.float32), extra={"state": made}))
        return out


def _encrypted(b: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    packed = np.frombuffer(b"".join(zlib.compress(v.tobytes()) for v in b), np.uint8)
    return packed ^ np.random.default_rng(5).integers(0, 256, len(packed), dtype=np.uint8)


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (_encrypted, True),
        (lambda b, rng: b.mean(0), False),  # grows with nothing
        (lambda b, rng: np.repeat(b.mean(0), 30, axis=0), False),
        (lambda b, rng: np.bincount(b.ravel(), minlength=256), False),
        (lambda b, rng: rng.integers(0, 256, b.size + 5, dtype=np.uint8), False),  # follows the seed
        (lambda b, rng: np.random.default_rng(1).random(100 * len(b) + 1), False),  # follows nothing
    ],
)
def test_an_array_that_follows_the_images_alone_is_named(array: Any, said: bool) -> None:
    rng = np.random.default_rng(2)
    images = ImageSet((rng.integers(0, 256, (60, 12, 12, 3)) / 255).astype(np.float32), np.arange(60) % 3, "x")
    encoder: Any = _Oracle(array)
    study = _Study(encoder, images, np.random.default_rng(0))
    study.ordinary()
    assert ("'state'" in study.constant()) == said
