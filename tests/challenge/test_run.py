"""`ihaudit challenge`: layouts and labels as read, and the whole way on a small release."""

from __future__ import annotations

import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from typer.testing import CliRunner

from ihaudit.audit.canonical import canonical
from ihaudit.audit.store import FolderStore
from ihaudit.audit.worker import AttackRun, AttackWorker
from ihaudit.challenge import score
from ihaudit.challenge.answer import decryption, judge, recovered
from ihaudit.challenge.layout import Layout, detect
from ihaudit.challenge.npy import Mapped, mapped, save_blocks
from ihaudit.challenge.release import ReadRelease, in_range, read_labels, read_release
from ihaudit.cli import app
from ihaudit.contracts.attack import AttackOutput
from ihaudit.contracts.context import Context
from ihaudit.contracts.view import View
from ihaudit.errors import ImageError, UsageError
from ihaudit.release import Release
from ihaudit.results import Cost, read_arrays, read_results
from ihaudit.scheme import Knowledge
from tests.attacks.releases import Sample, instahide, photographs

# -- layouts ------------------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(
    h=st.integers(8, 20),
    w=st.integers(8, 20),
    c=st.sampled_from([1, 3]),
    first=st.booleans(),
    flat=st.booleans(),
)
def test_layouts_are_read_back(h: int, w: int, c: int, first: bool, flat: bool) -> None:
    """Whatever the layout, `view` gives H x W x C and `restore` undoes it."""
    images = np.arange(2 * h * w * c, dtype=np.float32).reshape(2, h, w, c)
    row = (h * w * c,) if flat else (c, h, w) if first else (h, w, c)
    layout = Layout((h, w, c), row, first)
    stored = layout.restore(images)
    assert stored.shape == (2, *row)
    assert np.array_equal(layout.view(stored), images)
    if not flat:
        assert detect(stored).shape == (h, w, c)
        assert detect(stored, (h, w, c)) == detect(stored)
    else:
        assert detect(stored, (h, w, c)).shape == (h, w, c)


@pytest.mark.parametrize("masked", [False, True])
def test_flat_rows_tell_their_order(masked: bool) -> None:
    images = instahide(n=8, epochs=8, mask=masked).encodings
    assert not detect(images.reshape(len(images), -1)).first
    turned = images.transpose(0, 3, 1, 2).reshape(len(images), -1)
    assert detect(turned).first
    assert np.array_equal(detect(turned).view(turned), images)


@pytest.mark.parametrize(
    ("shape", "given", "message"),
    [
        ((4, 3, 32, 3), None, "in no single way"),
        ((4, 20, 20, 20), None, "in no single way"),
        ((4, 100, 3), None, "in no single way"),
        ((4, 65), None, "in no single way"),
        ((5, 4, 16, 16, 3), None, r"join them first: .*reshape\(-1"),
        ((4, 6, 6, 3), None, "at least 8 x 8"),
        ((4, 64), (8, 16, 1), "not images of 8 x 16 x 1"),
        ((4, 8, 32), (16, 16, 1), "not images of 16 x 16 x 1"),
    ],
)
def test_unclear_layouts_are_refused(shape: tuple[int, ...], given: tuple[int, int, int] | None, message: str) -> None:
    with pytest.raises(ImageError, match=message):
        detect(np.zeros(shape, np.float32), given)


def test_a_mapped_array_is_sent_as_its_path(tmp_path: Path) -> None:
    x = np.random.default_rng(0).standard_normal((50, 3, 16, 16)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    here = mapped(str(tmp_path / "x.npy"), detect(x))
    assert isinstance(here, Mapped)
    sent = pickle.dumps(here)
    assert len(sent) < 1000
    assert np.array_equal(pickle.loads(sent), x.transpose(0, 2, 3, 1))
    part = pickle.loads(pickle.dumps(here[3:5]))  # a part is data, not the whole file again
    assert np.array_equal(part, x.transpose(0, 2, 3, 1)[3:5])
    with pytest.raises(ValueError, match="read-only"):
        here[0] = 0


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_other_floats_become_float32(tmp_path: Path, dtype: type) -> None:
    x: NDArray[Any] = np.random.default_rng(0).uniform(-1, 1, (4, 16, 16)).astype(dtype)
    np.save(tmp_path / "x.npy", x)
    read = read_release(tmp_path / "x.npy", None)
    assert read.release.encodings.dtype == np.float32
    assert read.dtype == dtype
    assert read.release.encodings.shape == (4, 16, 16, 1)


def test_half_written_files_do_not_appear(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="rows for an array"):
        save_blocks(tmp_path / "a.npy", (4, 2), np.float32, [np.zeros((2, 2))])
    assert not list(tmp_path.iterdir())


# -- labels and ranges --------------------------------------------------------------------------------------------


def test_labels_of_the_first_forms() -> None:
    soft = read_labels(np.array([[0.2, 0.3], [0.0, 0.4]], np.float64), 2)
    assert soft.soft and not soft.form
    assert soft.weights.dtype == np.float32
    hard = read_labels(np.array([5, 9, 5]), 3)
    assert not hard.soft
    assert hard.weights.tolist() == [[1, 0], [0, 1], [1, 0]]
    pairs = read_labels(np.array([[5, 9], [9, 9], [2, 5]]), 3)
    assert not pairs.soft
    assert pairs.weights.tolist() == [[0, 1, 1], [0, 0, 1], [1, 1, 0]]
    columns = read_labels(np.array([[0, 1, 1], [1, 0, 0]]), 2)
    assert not columns.soft
    assert columns.weights.tolist() == [[0, 1, 1], [1, 0, 0]]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.zeros((3, 2)), "must be \\(2, classes\\).*give label.T"),
        (np.array([[0.1, -0.2], [0, 1]]), "down to -0.2; .*softmax"),
        (np.array([[0.1, np.nan], [0, 1]]), "NaN"),
        (np.array([0.5, 0.2]), "one fraction per encoding"),
        (np.zeros((2, 2)), "zero everywhere"),
        (np.array([[0.5], [0.2]]), "single column of fractions"),
        (np.array(["a", "b"]), "must be numbers"),
        (np.array([1, 10**9]), "below 100000"),
    ],
)
def test_labels_that_are_none_are_refused(labels: np.ndarray, message: str) -> None:
    with pytest.raises(ImageError, match=message):
        read_labels(labels, 2)


@pytest.mark.parametrize(
    ("values", "given", "message"),
    [
        ((-1, 1), (1, 0), "is no range"),
        ((-1, 1), (0, 0.5), "do not reach"),
    ],
)
def test_ranges_that_do_not_fit_are_refused(
    tmp_path: Path, values: tuple[float, float], given: tuple[float, float] | None, message: str
) -> None:
    np.save(tmp_path / "x.npy", np.random.default_rng(0).uniform(values[0], values[1], (4, 16, 16)))
    with pytest.raises(UsageError, match=message):
        read_release(tmp_path / "x.npy", None, image_range=given)


def test_a_range_that_was_assumed_and_is_not_is_asked_for(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.random.default_rng(0).uniform(-2, 2, (4, 16, 16)))
    read = read_release(tmp_path / "x.npy", None)
    with pytest.raises(UsageError, match=r"beyond \[-1, 1\]"):
        in_range(read, None)
    assert in_range(read, (-2.0, 2.0)).release.image_range == (-2.0, 2.0)
    np.save(tmp_path / "x.npy", np.random.default_rng(0).uniform(-1e-4, 1e-4, (4, 16, 16)))
    with pytest.raises(UsageError, match=r"a small part of \[-1, 1\]; say with --image-range"):
        in_range(read_release(tmp_path / "x.npy", None), None)


def test_flat_rows_that_are_no_pictures_are_not_read_as_some(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.random.default_rng(0).standard_normal((40, 768)) / 10)
    with pytest.raises(UsageError, match="flat rows of 768 values"):
        read_release(tmp_path / "x.npy", None)
    np.save(tmp_path / "x.npy", instahide(n=8, epochs=4).encodings.reshape(32, -1))
    assert read_release(tmp_path / "x.npy", None).layout.shape == (16, 16, 3)


def test_what_is_lost_without_labels_is_said(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.random.default_rng(0).uniform(0, 1, (4, 16, 16)))
    notes = " ".join(read_release(tmp_path / "x.npy", None).notes)
    assert "No labels were given" in notes
    assert "No value is negative" in notes
    np.save(tmp_path / "y.npy", np.array([1, 2, 1, 2]))
    assert "labels are hard" in " ".join(read_release(tmp_path / "x.npy", tmp_path / "y.npy").notes)


def test_the_release_of_an_audit_is_read_with_its_labels_and_range(tmp_path: Path) -> None:
    sample = instahide(n=8, epochs=4)
    released = Release(sample.encodings, sample.labels, (-1.0, 1.0), {"nonces": np.arange(len(sample.labels))})
    canonical(released, "float16", ("nonces",), alone=True).write(tmp_path)
    read = read_release(tmp_path / "release.npz", None)
    assert read.layout.shape == (16, 16, 3)
    assert np.allclose(read.release.encodings, sample.encodings, atol=2e-3)
    assert read.release.labels is not None
    assert np.allclose(read.release.labels, sample.labels, atol=1e-3)
    assert read.release.image_range == (-1, 1)
    assert read.stated
    assert list(read.release.extra) == ["nonces"]
    assert not read_release(tmp_path / "release.npz", None, image_range=(-1.0, 1.0)).stated
    np.save(tmp_path / "l.npy", sample.labels)
    with pytest.raises(UsageError, match=r"holds labels, so that .*l\.npy is not needed"):
        read_release(tmp_path / "release.npz", tmp_path / "l.npy")


def test_an_archive_of_other_arrays_is_no_release(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", images=np.zeros((4, 16, 16)))
    with pytest.raises(UsageError, match=r"x\.npz holds 'images', expected encodings"):
        read_release(tmp_path / "x.npz", None)
    (tmp_path / "y.npz").write_bytes((tmp_path / "x.npz").read_bytes()[:300])
    with pytest.raises(UsageError, match=r"^\S*y\.npz cannot be read as a release\.npz"):
        read_release(tmp_path / "y.npz", None)


# -- answers ------------------------------------------------------------------------------------------------------


def _read(sample: Sample, tmp_path: Path) -> ReadRelease:
    np.save(tmp_path / "e.npy", sample.encodings)
    np.save(tmp_path / "l.npy", sample.labels)
    return read_release(tmp_path / "e.npy", tmp_path / "l.npy")


def test_agreement_is_high_for_the_truth_and_low_for_strangers(tmp_path: Path) -> None:
    sample = instahide(n=12, epochs=10)
    read = _read(sample, tmp_path)
    strangers, _ = photographs(12, 77)
    found = {}
    for name, images in (("truth", sample.images), ("strangers", strangers)):
        answer = judge(AttackOutput(images, sample.members, sample.lambdas[:, :2]), read)
        assert answer is not None and answer.overall is not None
        found[name] = answer.overall
        assert answer.agreement.shape == (12,)
        assert not answer.estimated
    assert found["truth"] > 0.5
    assert found["strangers"] < 0.3


def test_copies_of_single_encodings_are_not_judged_by_agreement(tmp_path: Path) -> None:
    sample = instahide(n=12, epochs=5)
    read = _read(sample, tmp_path)
    copies = np.abs(sample.encodings)
    single = judge(AttackOutput(copies, np.arange(len(copies))[:, None]), read)
    shared = judge(AttackOutput(sample.images, sample.members, sample.lambdas[:, :2]), read)
    assert single is not None and shared is not None
    assert single.overall is None
    assert shared.strength > single.strength


def test_images_that_explain_encodings_wholly_are_preferred_to_those_that_fit_them(tmp_path: Path) -> None:
    sample = instahide(n=12, epochs=5)
    read = _read(sample, tmp_path)
    mixed = sample.images.copy()
    mixed[0] = sample.images[1]  # agrees less than the truth
    known = AttackOutput(mixed, sample.members, sample.lambdas[:, :2], diagnostics={"encodings_explained": 0.94})
    fitted = judge(AttackOutput(sample.images, sample.members, sample.lambdas[:, :2]), read)
    exact, guessed = (judge(replace(known, diagnostics=d), read) for d in (known.diagnostics, {}))
    assert fitted is not None and exact is not None and guessed is not None
    assert exact.strength > fitted.strength > guessed.strength


def test_each_encoding_gets_its_surest_image(tmp_path: Path) -> None:
    sample = instahide(n=12, epochs=10)
    read = _read(sample, tmp_path)
    members = sample.members.copy()
    members[0] = -1
    members[1, 0] = -1
    lambdas = sample.lambdas[:, :2]
    answer = judge(AttackOutput(sample.images, members, lambdas), read)
    assert answer is not None
    assert answer.pick[0] == -1
    assert answer.pick[1] == members[1, 1]
    assert np.array_equal(answer.pick[2:], members[np.arange(len(members)), lambdas.argmax(1)][2:])
    written = np.concatenate(list(decryption(answer, read)))
    assert written.shape == sample.encodings.shape
    assert np.allclose(written[2:], sample.images[answer.pick[2:]] * 2 - 1, atol=1e-6)
    assert np.allclose(written[0], sample.images.mean(0) * 2 - 1, atol=1e-6)
    # a better image is preferred only where its coefficient is not small
    confidence = np.linspace(0.2, 0.9, 12, dtype=np.float32)
    better = judge(AttackOutput(sample.images, members, lambdas, confidence=confidence), read)
    assert better is not None and better.estimated
    equal = np.abs(lambdas[:, 0] - lambdas[:, 1]) < 0.02
    equal[:2] = False
    assert np.array_equal(better.pick[equal], members[equal].max(1))


def test_an_attack_without_members_gives_no_answer(tmp_path: Path) -> None:
    sample = instahide(n=12, epochs=5)
    assert judge(AttackOutput(sample.images), _read(sample, tmp_path)) is None


@pytest.mark.parametrize("first", [False, True])
def test_score_of_challenge_files_is_the_direct_one(tmp_path: Path, first: bool) -> None:
    """decryption.npy in the file's own layout, against skimage one image at a time."""
    from skimage.metrics import structural_similarity

    sample = instahide(n=12, epochs=4)
    encodings = sample.encodings.transpose(0, 3, 1, 2) if first else sample.encodings
    np.save(tmp_path / "e.npy", encodings)
    read = read_release(tmp_path / "e.npy", None)
    rng = np.random.default_rng(0)
    noisy = np.clip(sample.images + rng.normal(0, 0.1, sample.images.shape), 0, 1).astype(np.float32)
    answer = judge(AttackOutput(noisy, sample.members, sample.lambdas[:, :2]), read)
    assert answer is not None
    written = np.concatenate(list(decryption(answer, read)))
    assert written.shape == encodings.shape
    truth = (sample.images.transpose(0, 3, 1, 2) if first else sample.images) * 2 - 1
    got = score(written, truth, sample.members)
    s, e = np.zeros((2, *sample.members.shape))
    for i, pair in enumerate(sample.members):
        for k, j in enumerate(pair):
            a, b = noisy[answer.pick[i]] * 2 - 1, sample.images[j] * 2 - 1
            s[i, k] = structural_similarity(a, b, channel_axis=-1, data_range=2)
            e[i, k] = np.mean((a - b) ** 2)
    want = {"max_ssim": s.max(1), "mean_ssim": s.mean(1), "min_l2": e.min(1), "mean_l2": e.mean(1)}
    assert got == pytest.approx({k: v.mean() for k, v in want.items()}, abs=1e-5)
    assert np.array_equal(recovered(answer, read).shape, truth.shape)


# -- the command --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Sample]:
    folder = tmp_path_factory.mktemp("challenge")
    sample = instahide(n=12, epochs=30, k=4, seed=3)
    flat = sample.encodings.transpose(0, 3, 1, 2).astype(np.float64)
    np.save(folder / "encryption.npy", flat)
    np.save(folder / "label.npy", sample.labels)
    return folder, sample


@pytest.mark.slow
def test_end_to_end(release: tuple[Path, Sample]) -> None:
    folder, sample = release
    arguments = ["encryption.npy", "label.npy", "--n-private", "12", "--attack", "phase", "--out", "answer"]
    done = subprocess.run(
        [sys.executable, "-m", "ihaudit", "challenge", *arguments], cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "no truth to compare with" in done.stdout
    out = folder / "answer"
    guess, private = np.load(out / "decryption.npy"), np.load(out / "private.npy")
    pairs, confidence = np.load(out / "pairs.npy"), np.load(out / "confidence.npy")
    assert guess.shape == (360, 3, 16, 16)
    assert guess.dtype == private.dtype == np.float64
    assert -1 <= guess.min() < -0.5 and 0.5 < guess.max() <= 1
    assert private.shape == (len(confidence), 3, 16, 16)
    assert pairs.shape == np.load(out / "coefficients.npy").shape == (360, 2)
    # positive control: far above a wrong pairing of the same files
    np.save(folder / "private.npy", sample.images.transpose(0, 3, 1, 2) * 2 - 1)
    np.save(folder / "pairs.npy", sample.members)
    scored = CliRunner().invoke(
        app,
        ["score", str(out / "decryption.npy"), "--private", str(folder / "private.npy")]
        + ["--pairs", str(folder / "pairs.npy")],
    )
    assert scored.exit_code == 0, scored.output
    import json

    right = json.loads(scored.output)["max_ssim"]
    wrong = score(guess, np.load(folder / "private.npy"), np.roll(sample.members, 7, axis=0))["max_ssim"]
    assert right > 0.6
    assert wrong < 0.5
    # what the files say of themselves
    results = read_results(out)
    finding = results.finding("phase")
    assert finding is not None and finding.status == "measured"
    assert not any(name.startswith("ssim") for name in finding.metrics)
    assert finding.metrics["agreement"].value is not None
    assert results.gate.status == "inconclusive" and results.gate.exit_code == 3
    assert len(read_arrays(out)["phase/candidates"]) == len(private)
    page = (out / "report.html").read_text()
    assert "There is no truth to compare with" in page
    assert "Recovered images, most confident first" in page
    assert (out / "report.pdf").read_bytes().startswith(b"%PDF")
    # never over what may be the truth
    again = CliRunner().invoke(
        app, ["challenge", str(folder / "encryption.npy"), "--out", str(folder), "--overwrite", "-q"]
    )
    assert again.exit_code == 2
    assert np.array_equal(np.load(folder / "pairs.npy"), sample.members)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.npy"], "there is no file"),
        (["encryption.npy", "encryption.npy"], "for 360 encodings it must be"),
        (["encryption.npy", "--shape", "8", "8", "3"], "not images of 8 x 8 x 3"),
        (["encryption.npy", "--image-range", "0", "0.2"], "correct --image-range"),
        (["encryption.npy", "--n-private", "1"], "--n-private 1"),
        (["encryption.npy", "--private-per-encoding", "0"], "--private-per-encoding 0"),
        (["encryption.npy", "--attack", "phas"], "did you mean 'phase'"),
        (["encryption.npy", "--profile", "quickly"], "did you mean 'quick'"),
        (["encryption.npy", "--public-set", "embedded"], "give the very images"),
        (["encryption.npy", "--similar", "embedded"], "give such images"),
        (["encryption.npy", "--train-steps", "0"], "--train-steps"),
    ],
)
def test_what_does_not_fit_is_one_sentence(
    release: tuple[Path, Sample],
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(release[0])
    got = CliRunner().invoke(app, ["challenge", *arguments, "--out", str(tmp_path / "out"), "-q"])
    said = got.output + capfd.readouterr().err
    assert got.exit_code == 2, said
    assert message in said
    assert said.count("ihaudit: error:") == (message != "--train-steps")  # ranges of options are click's to check
    assert not (tmp_path / "out").exists()


def test_an_attack_that_lacks_the_public_set_is_not_run(
    release: tuple[Path, Sample], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(release[0])
    out = tmp_path / "out"
    got = CliRunner().invoke(
        app, ["challenge", "encryption.npy", "--attack", "single", "--out", str(out), "--format", "html", "-q"]
    )
    assert got.exit_code == 3, got.output
    assert not (out / "decryption.npy").exists()
    finding = read_results(out).finding("single")
    assert finding is not None and finding.status == "not run"
    assert "--public-set" in finding.reason
    assert "No attack answered" in (out / "report.html").read_text()


def test_similar_images_and_training_reach_the_attack(
    release: tuple[Path, Sample], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, labels = photographs(20, seed=5, size=16)
    np.savez(tmp_path / "similar.npz", images=images, labels=labels)
    seen: list[tuple[View, Context]] = []

    class Worker(AttackWorker):
        def run(self, spec: str, view: View, ctx: Context) -> AttackRun:
            seen.append((view, ctx))
            return AttackRun(None, Cost(), not_applicable="it is a test")

    monkeypatch.setattr("ihaudit.challenge.run.AttackWorker", Worker)
    arguments = ["--similar", str(tmp_path / "similar.npz"), "--train", "--train-steps", "7", "--seed", "3"]
    out = tmp_path / "out"
    rest = ["--attack", "carlini", "--out", str(out), "--format", "html", "-q"]
    got = CliRunner().invoke(app, ["challenge", str(release[0] / "encryption.npy"), *arguments, *rest])
    assert got.exit_code == 3, got.output
    ((view, ctx),) = seen
    assert view.similar is not None and np.array_equal(view.similar, images)
    assert view.similar_labels is not None and np.array_equal(view.similar_labels, labels)
    assert Knowledge.DISTRIBUTION in view.knows
    assert ctx.options == {"train": True, "train_steps": 7, "audit_seed": 3}
    assert isinstance(ctx.store, FolderStore) and ctx.store.folder == out / "networks"
    results = read_results(out)
    assert results.options["training_steps"] == 7 and results.similar is not None and results.similar.count == 20
    assert "distribution" in results.adversary


def test_help_teaches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "110")
    text = CliRunner().invoke(app, ["challenge", "--help"]).output
    for word in ("decryption.npy", "--n-private", "--public-set", "Exit codes", "no truth to compare with"):
        assert word in text


# -- with the scheme's code ---------------------------------------------------------------------------------------

KEYED = '''
import numpy as np
from ihaudit import Release, Scheme


class Keyed(Scheme):
    """Private images in one secret order, one public image each, signs flipped."""

    def encode(self, images, labels, public, rng):
        order, other = rng.permutation(len(images)), rng.integers(len(public), size=len(images))
        mixed = 0.7 * (2 * images[order] - 1) + 0.3 * (2 * public[other] - 1)
        mask = rng.choice(np.array([-1, 1], np.int8), mixed.shape)
        released = np.zeros((len(images), 2), np.float32)
        released[np.arange(len(images)), labels[order]] = 0.7
        return Release(mixed * mask, released, image_range=(-1, 1))
'''


@pytest.mark.slow
def test_a_guessable_seed_is_found_by_running_the_code(tmp_path: Path) -> None:
    (tmp_path / "keyed.py").write_text(KEYED)
    space: dict[str, Any] = {}
    exec(KEYED, space)
    images, public = photographs(12, seed=1)[0], photographs(30, seed=2)[0]
    made = space["Keyed"]().encode(images, np.arange(12) % 2, public, np.random.default_rng(1337))
    np.save(tmp_path / "encryption.npy", made.encodings)
    np.save(tmp_path / "label.npy", made.labels)
    files = [str(tmp_path / "encryption.npy"), str(tmp_path / "label.npy"), "--out", str(tmp_path / "out")]
    common = [*files, "--attack", "prng:seedless=no", "--format", "html", "-q", "--overwrite"]
    code = ["--scheme", str(tmp_path / "keyed.py")]
    result = CliRunner().invoke(app, ["challenge", *common, *code, "--n-public", "30"])
    assert result.exit_code == 0, result.output
    finding = read_results(tmp_path / "out").finding("prng:seedless=no")
    assert finding is not None and finding.status == "broken"
    assert "seed 1337" in finding.sentence and "12 of 12 encodings are unmasked" in finding.sentence
    page = (tmp_path / "out" / "report.html").read_text()
    assert "seed 1337" in page and "the scheme itself, replayed" in page
    # a seed that nobody would choose
    made = space["Keyed"]().encode(images, np.arange(12) % 2, public, np.random.default_rng(55_555_555))
    np.save(tmp_path / "encryption.npy", made.encodings)
    result = CliRunner().invoke(app, ["challenge", *common, *code, "--n-public", "30"])
    assert result.exit_code == 3, result.output
    finding = read_results(tmp_path / "out").finding("prng:seedless=no")
    assert finding is not None and finding.status == "no break found"
    for wrong, message in (
        (["--n-public", "30"], "name it too, with --scheme"),
        (["--scheme", "nowhere.py"], "no scheme file nowhere.py"),
        ([*code, "--set", "k=3"], "no parameter 'k'"),
    ):
        result = CliRunner().invoke(app, ["challenge", *common, *wrong])
        assert result.exit_code == 2 or isinstance(result.exception, (UsageError, SystemExit)), result.output
        assert message in f"{result.output}{result.exception}"
