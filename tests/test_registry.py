"""The registry: ids are unique, order is stated, wrong names are answered with the nearest right one."""

from __future__ import annotations

from pathlib import Path

import pytest

import ihaudit
from ihaudit import registry
from ihaudit.errors import UsageError


def test_every_package_is_walked_to_its_leaves() -> None:
    root = Path(ihaudit.__file__).parent / "attacks" / "stages"
    files = [p for p in root.rglob("*.py") if "\n@stage(" in p.read_text()]
    assert any(len(p.relative_to(root).parts) == 2 for p in files)
    modules = {getattr(x, "__module__", "") for x in registry.load("stage").values()}
    missing = {p for p in files if ".".join(p.relative_to(root).with_suffix("").parts) not in " ".join(modules)}
    assert not missing


def test_two_objects_cannot_share_an_id() -> None:
    class One:
        order = 2

    class Two:
        order = 1

    try:
        registry.register("control", "test-b")(One)
        registry.register("control", "test-b")(One)
        registry.register("control", "test-a")(Two)
        with pytest.raises(ValueError, match="two controls are called 'test-b'"):
            registry.register("control", "test-b")(Two)
        assert [i for i in registry.load("control") if i.startswith("test-")] == ["test-a", "test-b"]
        with pytest.raises(UsageError, match="no control called 'test-bb'; did you mean 'test-b'"):
            registry.get("control", "test-bb")
    finally:
        registry.unregister("control", "test-a")
        registry.unregister("control", "test-b")
