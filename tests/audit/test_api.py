"""The Python API: a class of this very file is audited, one attack and one game run on arrays, figures and tables."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

import ihaudit
from ihaudit import Claim, Provenance, Release, Scheme
from ihaudit.audit.outcome import FIGURES, AuditResults
from ihaudit.errors import NotApplicable, UsageError
from ihaudit.results import read_results
from ihaudit.sandbox.written import settings_of, source_of
from tests.pictures import pictures
from tests.report import synthetic

STRENGTH = 0.5
images = labels = n = np.zeros(3)  # called like arguments of encode, as in a notebook
TABLE = np.arange(3)


def helper(x: Any) -> Any:
    return x * STRENGTH


@dataclass
class Base(Scheme):
    """Adds noise."""

    sigma: float = 0.1
    form: Literal["image", "vector"] = "image"
    levels: tuple[int, ...] = (1, 2)


@dataclass
class Noisy(Base):
    claims = (Claim("ssim", 0.3, quantile=0.9),)

    def encode(self, images: Any, labels: Any, public: Any, rng: Any) -> Release:
        n = len(images)
        noise = helper(rng.normal(0, self.sigma, images.shape))
        one_hot = np.eye(int(labels.max()) + 1, dtype=np.float32)[labels]
        return Release(images + noise, one_hot, provenance=Provenance(np.arange(n)[:, None]))


class Bad(Scheme):
    def encode(self, images: Any, labels: Any, public: Any, rng: Any) -> Release:
        return Release(images + TABLE)


NOTHING: dict[str, Any] = {"attacks": ["none"], "games": ["none"], "n_private": 8}


def test_a_class_is_written_with_all_that_it_names_and_nothing_else() -> None:
    source = source_of(Noisy)
    names = {n.name for n in ast.parse(source.text).body if isinstance(n, (ast.ClassDef, ast.FunctionDef))}
    assert names == {"Base", "Noisy", "helper"} and "STRENGTH = 0.5" in source.text
    assert "pytest" not in source.text and "synthetic" not in source.text
    assert settings_of(Noisy(sigma=0.3, levels=(4, 5))) == {"sigma": "0.3", "levels": "4,5"}
    with pytest.raises(UsageError, match="Bad uses TABLE, which is ndarray"):
        source_of(Bad)
    with pytest.raises(UsageError, match="no dataclass"):
        settings_of(Bad())


def test_an_instance_is_audited_on_arrays() -> None:
    x, y = pictures(40), np.arange(40) % 4
    results = ihaudit.audit(Noisy(sigma=0.25), private=(x, y), max_ssim=0.4, **NOTHING)
    assert results.scheme.parameters["sigma"] == 0.25 and results.scheme.name == "Noisy"
    assert results.private is not None and results.private.count == 8
    assert results.options["gates"]["max_ssim"] == 0.4 and results.gate.exit_code == 3
    assert results.folder is None and "private/images" in results.arrays
    assert results.claims[0].quantity == "ssim"
    again = ihaudit.audit(Noisy, private=(x, y), sets={"sigma": 0.25}, max_ssim=0.4, **NOTHING)
    assert again.release is not None and results.release is not None
    assert again.release.sha256 == results.release.sha256


def test_a_file_and_a_folder(tmp_path: Path) -> None:
    results = ihaudit.audit("noise", out=tmp_path / "a", formats=["markdown"], **NOTHING)
    assert results.folder == tmp_path / "a" and (tmp_path / "a" / "summary.md").exists()
    assert read_results(tmp_path / "a").gate == results.gate
    wrong: list[tuple[str, Callable[[], object]]] = [
        ("no option 'sead'; did you mean 'seed'", lambda: ihaudit.audit("noise", sead=1)),
        ("private is a tuple of 3", lambda: ihaudit.audit("noise", private=(1, 2, 3))),
        ("private is float64", lambda: ihaudit.audit("noise", private=np.zeros(3))),
        ("no attack called 'unmixx'", lambda: ihaudit.audit("noise", attacks=["unmixx"], n_private=8)),
        ("--max-ssim must be", lambda: ihaudit.audit("noise", max_ssim=2)),
    ]
    for error, call in wrong:
        with pytest.raises(UsageError, match=error):
            call()


def test_one_attack_on_arrays() -> None:
    x = pictures(16)
    found = ihaudit.attack("as-released", 2 * x - 1, image_range=(-1, 1))
    assert np.abs(found.images - x).mean() < 0.02 and found.sentence
    with pytest.raises(NotApplicable, match="needs public_set, which was not given"):
        ihaudit.attack("single", x)
    with pytest.raises(UsageError, match="no attack called"):
        ihaudit.attack("magic", x)
    for bad, message in (
        ({"labels": [0.5] * 16}, "class numbers"),
        ({"labels": [1, 2]}, "for each of 16 encodings"),
        ({"similar": x * np.nan}, "NaN"),
    ):
        with pytest.raises(UsageError, match=message):
            ihaudit.attack("as-released", x, **bad)


def test_one_game() -> None:
    (first, *_) = ihaudit.game("instance", "identity")
    assert first.status == "broken" and (first.metrics["advantage"].value or 0) > 0.9


@pytest.fixture
def results() -> AuditResults:
    return AuditResults.of(synthetic.results(), synthetic.arrays())


def test_results_are_results_with_a_table_and_a_view(results: AuditResults) -> None:
    assert results.to_json() == synthetic.results().to_json()
    rows = results.records()
    assert {r["finding"] for r in rows} == {f.id for f in results.findings}
    assert all(isinstance(r["value"], (float, type(None))) for r in rows) and json.dumps(rows)
    view = results._repr_html_()
    assert "exit code 1" in view and "<b>&" not in view and "<script" not in view and "<img" not in view


def test_records_are_ready_for_pandas(results: AuditResults) -> None:
    pytest.importorskip("pandas", reason="needs pandas (the extra notebook)")
    frame = results.to_frame()
    assert len(frame) == len(results.records()) and frame["value"].dtype.kind == "f"


@pytest.mark.parametrize("name", [n for n in FIGURES if n != "known-pairs"])
def test_figures_are_matplotlib_axes(name: str, results: AuditResults) -> None:
    from matplotlib.axes import Axes

    axes = results.figure(name)
    assert isinstance(axes, Axes) and axes.has_data()


def test_a_figure_that_is_not_there(results: AuditResults) -> None:
    with pytest.raises(UsageError, match="no figure 'rok'; did you mean 'roc'"):
        results.figure("rok")
    with pytest.raises(UsageError, match="measured nothing"):
        results.figure("known-pairs")


def test_saving_without_samples(results: AuditResults, tmp_path: Path) -> None:
    written = results.save(tmp_path / "o", ("html", "markdown"), samples=False)
    assert [p.name for p in written] == ["report.html", "summary.md"]
    with np.load(tmp_path / "o" / "arrays.npz") as z:
        assert all(z[k].ndim < 3 for k in z.files)
