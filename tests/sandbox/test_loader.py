"""Finding schemes and reading --set, without running anything of a scheme's file here."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ihaudit.errors import IhauditError, SchemeError, UsageError
from ihaudit.sandbox import SchemeProcess
from ihaudit.sandbox.loader import locate, parse_sets, reference_names
from ihaudit.sandbox.parameters import ParameterError, convert
from ihaudit.sandbox.starter import starter_text

TWO = """
import numpy as np
from dataclasses import dataclass
from ihaudit import Release, Scheme

@dataclass
class One(Scheme):
    k: int = 3
    def encode(self, images, labels, public, rng): return Release(images)

class Two:
    "Not even a Scheme."
    def __init__(self, bounds: tuple[float, float] = (0.0, 1.0), name: str | None = None):
        self.bounds, self.name = bounds, name
    def encode(self, images, labels, public, rng): return images, None
"""


def test_reference_schemes_are_found_by_name_and_suggested() -> None:
    names = reference_names()
    assert {"instahide", "instahide-inside", "mixup", "identity", "constant", "noise", "gaussian"} <= set(names)
    for name in names:
        source = locate(name)
        assert source.reference and source.origin == name and len(source.sha256) == 64
    assert locate("instahide_inside").path == locate("instahide-inside").path
    with pytest.raises(UsageError, match="did you mean 'instahide'"):
        locate("instahyde")


def test_paths_classes_and_near_misses(tmp_path: Path) -> None:
    path = tmp_path / "scheme.py"
    path.write_text(TWO)
    assert locate(str(path)).class_name is None
    assert locate(f"{path}:Two").class_name == "Two"
    for spec, message in (
        (str(tmp_path / "shceme.py"), "did you mean .*scheme.py"),
        (str(tmp_path), "is a folder"),
        (f"{path}:not a name", "not the name of a class"),
        ("nothing-like-it-at-all", "the reference schemes are"),
    ):
        with pytest.raises(UsageError, match=message):
            locate(spec)
    (tmp_path / "binary.py").write_bytes(bytes(range(256)))
    with pytest.raises(SchemeError, match="not a Python file"):
        locate(str(tmp_path / "binary.py"))


def test_locating_runs_nothing(tmp_path: Path) -> None:
    path = tmp_path / "scheme.py"
    path.write_text("raise SystemExit('it ran')\n")
    before = set(sys.modules)
    locate(str(path))
    assert set(sys.modules) == before
    with pytest.raises(SchemeError, match="SystemExit"):
        SchemeProcess(locate(str(path))).start()


def test_a_class_is_chosen_and_its_parameters_are_typed(tmp_path: Path) -> None:
    path = tmp_path / "scheme.py"
    path.write_text(TWO)
    with SchemeProcess(locate(f"{path}:Two"), {"bounds": "0.25,0.5", "name": "x"}) as process:
        assert process.card.parameters == {"bounds": [0.25, 0.5], "name": "x"}
        assert process.card.doc == "Not even a Scheme."
    with SchemeProcess(locate(f"{path}:One"), {"k": "7"}) as process:
        assert process.card.parameters == {"k": 7} and process.card.types == {"k": "a whole number"}
    with pytest.raises(SchemeError, match="no scheme called 'Tow'; did you mean 'Two'"):
        SchemeProcess(locate(f"{path}:Tow")).start()


def test_the_file_that_was_hashed_is_the_one_that_runs(tmp_path: Path) -> None:
    path = tmp_path / "scheme.py"
    path.write_text(TWO.replace("class Two", "class _Two"))
    source = locate(str(path))
    path.write_text("raise RuntimeError('changed')")
    with SchemeProcess(source) as process:
        assert process.card.name == "One"


def test_helper_modules_beside_the_file_can_be_imported(tmp_path: Path) -> None:
    (tmp_path / "my_helper.py").write_text("K = 5\n")
    (tmp_path / "scheme.py").write_text(
        "from my_helper import K\n" + TWO.replace("class Two", "class _Two").replace("k: int = 3", "k: int = K")
    )
    with SchemeProcess(locate(str(tmp_path / "scheme.py")), hidden=[tmp_path / "reports"]) as process:
        assert process.card.parameters == {"k": 5}


def test_the_starter_file_runs_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "scheme.py"
    path.write_text(starter_text())
    rng = np.random.default_rng(0)
    images, public = rng.random((9, 8, 8, 3), dtype=np.float32), rng.random((5, 8, 8, 3), dtype=np.float32)
    with SchemeProcess(locate(str(path)), public=public) as process:
        release = process.encode(images, np.arange(9) % 3, seed=1)
        assert process.card.claims and process.card.security_parameter == "k"
    assert release.encodings.shape == (90, 8, 8, 3) and release.provenance is not None


def test_sets() -> None:
    assert parse_sets(["k=8", "rng-seed = 3", "name=a=b"]) == {"k": "8", "rng_seed": "3", "name": "a=b"}
    for bad in (["k"], ["=3"], ["8=k"], ["k=1", "k=2"]):
        with pytest.raises(UsageError):
            parse_sets(bad)


@given(st.lists(st.text(max_size=12), max_size=4))
def test_sets_end_in_a_dict_or_a_sentence(items: list[str]) -> None:
    with contextlib.suppress(IhauditError):  # any other exception fails
        assert all(k.isidentifier() for k in parse_sets(items))


@given(
    st.one_of(st.integers(), st.floats(allow_nan=False), st.booleans(), st.lists(st.integers(), min_size=1).map(tuple))
)
def test_values_survive_the_way_through_text(value: Any) -> None:
    kind = tuple[int, ...] if isinstance(value, tuple) else type(value)
    assert convert("x", kind, str(value)) == value


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (bool, "Yes", True), (bool, "off", False), (int, "1_000", 1000), (float, "1e-5", 1e-5), (str, " a ", "a"),
        (int | None, "none", None), (int | None, "4", 4), (Literal["a", 2], "2", 2), (list[int], "[1, 2]", [1, 2]),
        (int | str, "x", "x"), (tuple[int, float], "(1,2)", (1, 2.0)),
    ],
)  # fmt: skip
def test_conversions(kind: Any, text: str, value: Any) -> None:
    assert convert("x", kind, text) == value


@pytest.mark.parametrize(
    ("kind", "text"),
    [(bool, "maybe"), (int, "1.5"), (float, "nan"), (float, "x"), (int | None, "x"), (Literal["a"], "b"), (dict, "{}"),
     (tuple[int, int], "1")],
)  # fmt: skip
def test_values_of_another_type_are_one_sentence(kind: Any, text: str) -> None:
    with pytest.raises(ParameterError, match="x="):
        convert("x", kind, text)
