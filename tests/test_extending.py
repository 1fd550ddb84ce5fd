"""Adding is one file: one of each kind, each in a single file of other people's, is listed, audited and reported."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import Any

import numpy as np
import pytest

from ihaudit.results import Results, read_results

#: One file per kind; nothing else is written but the entry points that name them.
FILES = {
    "scheme": '''
        """A scheme that mixes two images and mirrors the mixture."""
        from dataclasses import dataclass

        import numpy as np

        from ihaudit import Provenance, Release, Scheme
        from ihaudit.contracts.scheme import scheme

        @scheme("test-mirror")
        @dataclass
        class Mirror(Scheme):
            """Mirrors mixtures of two images.  Hides nothing."""

            epochs: int = 8

            def encode(self, images, labels, public, rng):
                n = len(images)
                passes = [np.stack([rng.permutation(n), rng.permutation(n)], 1) for _ in range(self.epochs)]
                sources = np.concatenate(passes)
                first = rng.uniform(0.3, 0.7, len(sources)).astype(np.float32)
                lam = np.stack([first, 1 - first], 1)
                mixed = np.einsum("es,eshwc->ehwc", lam, images[sources])[:, :, ::-1]
                soft = np.zeros((len(sources), int(labels.max()) + 1), np.float32)
                for slot in range(2):
                    np.add.at(soft, (np.arange(len(sources)), labels[sources[:, slot]]), lam[:, slot])
                return Release(np.ascontiguousarray(mixed), soft, provenance=Provenance(sources, lam))
        ''',
    "attack": '''
        """An attack that looks at every encoding in a mirror."""
        from dataclasses import dataclass

        import numpy as np

        from ihaudit.contracts.attack import AttackOutput, attack

        @attack("test-unmirror")
        @dataclass(frozen=True)
        class Unmirror:
            """Every encoding, mirrored."""

            id = "test-unmirror"
            title = "every encoding in a mirror"
            reference = "this test"
            needs = frozenset()
            profiles = ("quick",)

            def run(self, view, ctx):
                rows = np.arange(len(view.encodings))
                images = np.asarray(view.encodings, np.float32)[:, :, ::-1].clip(0, 1)
                return AttackOutput(images, members=rows[:, None], sentence="It looked into a mirror.")
        ''',
    "stage": '''
        """A restoration that mirrors what was recovered."""
        from ihaudit.attacks.stages.restoration.none import restoration_none
        from ihaudit.attacks.stages.state import Restored
        from ihaudit.contracts.attack import stage

        @stage("restoration", "test-mirrored")
        def mirrored(state, ctx):
            """Mirrors the images as recovered."""
            state, diagnostics = restoration_none(state, ctx)
            images = state.require(Restored).images[:, :, ::-1].copy()
            return state.restored(images), diagnostics | {"mirrored": True}
        ''',
    "game": '''
        """A game that is won as often as a coin falls on its head."""
        from dataclasses import dataclass

        from ihaudit.contracts.game import game
        from ihaudit.results import Finding
        from ihaudit.stats import Estimate

        @game("test-coin")
        @dataclass(frozen=True)
        class Coin:
            """Tosses a coin."""

            id = "test-coin"
            title = "which side does a coin show?"
            reference = "this test"
            needs = frozenset()
            profiles = ("quick",)

            def run(self, setting, ctx):
                advantage = Estimate(0.0, -0.1, 0.1, 400)
                metrics = {"advantage": advantage}
                return [Finding(id=self.id, kind="game", title=self.title, status="no break found", metrics=metrics)]
        ''',
    "metric": '''
        """How much the brightness of images is off."""
        import numpy as np

        from ihaudit.contracts.metric import metric

        @metric("test_brightness", "Error of the brightness, mean", unit="%", floor=0.0, ceiling=1.0, gated=True,
                higher_is_better=False)
        def brightness(guess, private, *, device="cpu"):
            """float64 (N,): the absolute difference of the mean value."""
            return np.abs(guess.mean((1, 2, 3)) - private.mean((1, 2, 3))).astype(np.float64)
        ''',
    "baseline": '''
        """Plain grey."""
        import numpy as np

        from ihaudit.contracts.attack import AttackOutput
        from ihaudit.contracts.baseline import baseline

        @baseline("test-grey", "Plain grey", "mid-grey, whatever the release is")
        def grey(view, ctx):
            """One grey image."""
            return AttackOutput(np.full((1, *view.encodings.shape[1:]), 0.5, np.float32))
        ''',
    "control": '''
        """The mirror hides nothing: it must come out broken."""
        from ihaudit.contracts.control import Control, control

        control(Control("test-mirror", "test-mirror", must_break=True, sets={"epochs": "6"}))
        ''',
    "section": '''
        """How many encodings there are for each image."""
        from ihaudit.contracts.section import section

        TEMPLATE = """{{ m.heading(section) }}
        <p>{{ rate|number }} encodings for each image; see {{ place('attacks') }}.</p>
        """

        @section("test_rate", "Encodings for each image", template=TEMPLATE, order=45)
        def build(source):
            results = source.results
            return {"rate": results.release.encodings[0] / results.private.count}
        ''',
    "format": '''
        """One line a finding."""
        from ihaudit.contracts.format import report_format

        @report_format("test-lines", "lines.txt")
        def lines(source):
            """The id and the status of every finding."""
            return "".join(f"{f.id}: {f.status}\\n" for f in source.results.findings)
        ''',
}


def ihaudit(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))
    return subprocess.run(
        [sys.executable, "-m", "ihaudit", *arguments],
        env={**os.environ, "PYTHONPATH": path},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=600,
    )


@pytest.fixture(scope="module")
def plugins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files and a package's description that names them as entry points."""
    folder = tmp_path_factory.mktemp("plugins")
    points = ["[ihaudit.plugins]"]
    for kind, text in FILES.items():
        (folder / f"ihaudit_test_{kind}.py").write_text(dedent(text).lstrip())
        points.append(f"{kind} = ihaudit_test_{kind}")
    info = folder / "ihaudit_test_plugins-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: ihaudit-test-plugins\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("\n".join(points) + "\n")
    return folder


@pytest.fixture(scope="module")
def audit(plugins: Path) -> Path:
    """The folder of an audit of the plug-in's scheme with its attack, stage and game."""
    done = ihaudit(
        *("run", "test-mirror", "--n-private", "24", "--seed", "1", "--out", "out", "--quiet"),
        *("--attack", "test-unmirror", "--attack", "least-squares:restoration=test-mirrored", "--game", "test-coin"),
        *("--format", "html", "--format", "test-lines"),
        folder=plugins,
    )
    assert done.returncode in (0, 1, 3), done.stderr
    return plugins / "out"


@pytest.fixture(scope="module")
def results(audit: Path) -> Results:
    return read_results(audit)


def test_each_is_listed(plugins: Path) -> None:
    done = ihaudit("list", "--json", folder=plugins)
    assert done.returncode == 0, done.stderr
    listing: dict[str, list[dict[str, Any]]] = json.loads(done.stdout)

    def names(kind: str, key: str = "id") -> list[str]:
        return [row[key] for row in listing[kind]]

    assert "test-mirror" in names("schemes", "name") and "test-mirror" in names("controls")
    assert "test-unmirror" in names("attacks") and "test-coin" in names("games")
    assert "test-mirrored" in names("stages", "variant")
    assert "test_brightness" in names("metrics") and "test-grey" in names("baselines")
    assert "test_rate" in names("sections") and "test-lines" in names("formats")


def test_each_takes_part_in_an_audit(results: Results, audit: Path) -> None:
    assert results.scheme.name == "Mirror" and results.scheme.source == "test-mirror"
    attack, staged = results.finding("test-unmirror"), results.finding("least-squares:restoration=test-mirrored")
    game, grey, control = (results.finding(i) for i in ("test-coin", "test-grey", "control:test-mirror"))
    assert attack is not None and attack.status in ("broken", "no break found") and "ssim" in attack.metrics
    assert staged is not None and staged.status == "broken"
    assert any(s.variant == "test-mirrored" and s.diagnostics["mirrored"] for s in staged.stages)
    assert game is not None and game.status == "no break found"
    assert grey is not None and grey.kind == "baseline" and grey.metrics["ssim"].value is not None
    assert control is not None and control.status == "broken"
    # The stage that knows of the mirror recovers the brightness far better than plain grey guesses it.
    off, guessed = staged.metrics["test_brightness"], grey.metrics["test_brightness"]
    assert off.value is not None and guessed.value is not None and 0 <= off.value < guessed.value / 2
    with np.load(audit / "arrays.npz") as z:
        assert z["test-unmirror/test_brightness"].shape == (24,)


def test_each_stands_in_the_report(results: Results, audit: Path) -> None:
    page = (audit / "report.html").read_text(encoding="utf-8")
    for text in (
        "Every encoding in a mirror",
        "test-mirrored",
        "Which side does a coin show?",
        "Error of the brightness, mean",
        "Plain grey",
        "control:test-mirror",
        "Mirrors mixtures of two images.",
    ):
        assert text in page, text
    # The section between pictures (4) and attacks moves what follows by one, also where prose refers to it.
    assert '<h2 id="test_rate"><span class="num">5</span> Encodings for each image</h2>' in page
    assert "8.000 encodings for each image; see section 6." in page
    assert '<span class="num">6</span> Attacks' in page and "section 4. Later attacks can only be better" in page
    lines = (audit / "lines.txt").read_text().splitlines()
    assert lines == [f"{f.id}: {f.status}" for f in results.findings]
