"""What an earlier audit found is taken only where nothing changed that it depends on, and nobody edited it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ihaudit.audit.earlier import (
    ITEMS,
    REUSED,
    Earlier,
    Keys,
    earlier_folders,
    keep,
    release_digest,
)
from ihaudit.audit.plan import Item
from ihaudit.audit.seal import secret_file, user_secret
from ihaudit.audit.setup import hidden
from ihaudit.contracts.traits import Traits
from ihaudit.release import Release
from ihaudit.results import Finding, read_arrays, read_results, write_results
from ihaudit.scheme import Knowledge
from tests.cli.command import ihaudit
from tests.verdict.test_decide import attack, baselines, game, stored

PLAN: dict[str, Any] = {
    "version": "1", "scheme's name": "s", "scheme's code": "ab", "parameters": {"k": 4}, "profile": "quick", "seed": 0,
    "private images": "cd", "attacks": ("phase",), "games": None,
}  # fmt: skip
ATTACK = Item("attack", "phase", "phase", "t", "r", knows=frozenset({Knowledge.LABELS}))
GAME = replace(ATTACK, kind="game", spec="instance")
TRAITS = Traits(image=(32, 32, 3))


def kept(folder: Path) -> list[Finding]:
    read, arrays = stored(folder, attack("noise"), game(0.0), *baselines())
    write_results(folder, read, arrays)
    found = read_results(folder).of_kind("attack")
    for f in found:
        f.arrays = {k.rpartition("/")[2]: v for k, v in arrays.items() if k.startswith(f"{f.id}/")}
    keep(folder, {"attack-noise": ("the key", found)})
    return found


def test_what_was_found_comes_back_with_its_arrays_and_says_from_where(tmp_path: Path) -> None:
    (was,) = kept(tmp_path)
    found = Earlier([tmp_path]).findings("the key")
    assert found is not None
    assert str(tmp_path) in found[0].details.pop(REUSED)
    assert found[0].model_dump() == was.model_dump()
    assert was.arrays
    for name, array in was.arrays.items():
        np.testing.assert_array_equal(found[0].arrays[name], array)
    assert Earlier([tmp_path]).findings("another key") is None


@pytest.mark.parametrize(
    "fault", ["edited", "no arrays", "no keys", "damaged keys", "keys of another form", "no results"]
)
def test_what_somebody_edited_or_took_away_is_made_again(tmp_path: Path, fault: str) -> None:
    kept(tmp_path)
    read, arrays = read_results(tmp_path), read_arrays(tmp_path)
    if fault == "edited":
        read.of_kind("attack")[0].status = "inconclusive"
        write_results(tmp_path, read, arrays)
    elif fault == "no arrays":
        write_results(tmp_path, read, {})
    elif fault == "no results":
        (tmp_path / "results.json").unlink()
    elif fault == "no keys":
        (tmp_path / ITEMS).unlink()
    else:
        (tmp_path / ITEMS).write_text(
            "[" if fault == "damaged keys" else json.dumps([{"key": 3}, 4, {"key": "the key"}])
        )
    assert Earlier([tmp_path]).findings("the key") is None


def test_findings_that_came_with_a_scheme_from_elsewhere_are_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever commits a folder of forged findings has not the secret that seals them on the machine of the gate."""
    for place in ("theirs", "ours"):
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / place))
        user_secret.cache_clear()
        if place == "theirs":
            kept(tmp_path / "out")
            assert secret_file().stat().st_mode & 0o777 == 0o600
        assert (Earlier([tmp_path / "out"]).findings("the key") is None) == (place == "ours")
    assert secret_file().parent in hidden()
    user_secret.cache_clear()


def test_keys_change_with_what_an_item_depends_on_and_with_nothing_else() -> None:
    def keys(release: str = "r", traits: Traits = TRAITS, **changed: Any) -> tuple[str, str, str]:
        k = Keys(PLAN | {name.replace("_", " "): v for name, v in changed.items()}, release, traits)
        return k.item(ATTACK), k.item(GAME), k.controls([ATTACK, GAME])

    one = keys()
    assert keys() == one == keys(attacks=("phase", "unmix"))
    assert all(a != b for a, b in zip(keys(seed=1), one))
    code = Keys(PLAN | {"scheme's code": "xy"}, "r", TRAITS)
    assert code.item(ATTACK) != one[0] and code.item(GAME) != one[1]
    assert code.controls([ATTACK, GAME]) == one[2]  # of an edited scheme that measures the same
    assert code.controls([ATTACK]) != one[2]
    assert keys(traits=replace(TRAITS, mixing=True))[2] != one[2]
    other = keys(release="another")  # of a scheme whose file is the same, but not a module that it imports
    assert other[0] != one[0] and other[1] != one[1] and other[2] == one[2]
    more = Keys(PLAN, "r", TRAITS)
    assert more.item(replace(ATTACK, knows=frozenset())) != one[0]
    assert more.item(replace(ATTACK, spec="phase:recovery=em")) != one[0]


def test_a_release_is_told_by_all_that_is_public_of_it() -> None:
    x = np.zeros((2, 4, 4, 3), np.float32)
    one = release_digest(Release(x, None))
    assert release_digest(Release(x.copy(), None)) == one
    assert release_digest(Release(x + 1, None)) != one
    assert release_digest(Release(x, None, (-1.0, 1.0))) != one
    assert release_digest(Release(x, None, extra={"id": np.arange(2)})) != one


def test_audits_under_the_default_name_are_kin(tmp_path: Path) -> None:
    for name in ("mixup", "mixup-2", "identity"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "results.json").write_text("{}")
    (tmp_path / "mixup-3").mkdir()
    assert set(earlier_folders(tmp_path / "mixup-3", named=False)) == {tmp_path / "mixup", tmp_path / "mixup-2"}
    assert earlier_folders(tmp_path / "mixup-3", named=True) == []
    assert earlier_folders(tmp_path / "mixup-2", named=True) == [tmp_path / "mixup-2"]


@pytest.mark.slow
def test_an_audit_again_runs_what_is_new_and_says_what_is_not(tmp_path: Path) -> None:
    run = ("run", "identity", "--n-private", "16", "--format", "html", "--out", "out", "--game", "neighbour")
    assert ihaudit(*run, "--attack", "as-released", cwd=tmp_path).returncode == 1
    again = ihaudit(*run, "--attack", "as-released", "--attack", "linear", "--overwrite", cwd=tmp_path)
    assert again.returncode == 1
    results = read_results(tmp_path / "out")
    taken = {f.id for f in results.findings if REUSED in f.details}
    assert {"as-released", "neighbour"} <= taken and "linear" not in taken
    assert "from an earlier audit" in again.stderr
    assert "Not run again" in (tmp_path / "out" / "report.html").read_text()
    assert ihaudit(*run, "--attack", "as-released", "--overwrite", "--fresh", cwd=tmp_path).returncode == 1
    assert not any(REUSED in f.details for f in read_results(tmp_path / "out").findings)
