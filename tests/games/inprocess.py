"""Test doubles: a scheme object as an encoder without a process, and small populations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

from ihaudit.contracts.configure import configure_game
from ihaudit.contracts.context import Context
from ihaudit.contracts.game import GameSetting
from ihaudit.images.embedded import embedded
from ihaudit.release import Provenance, Release
from ihaudit.results import Finding
from tests.data import load_images


@dataclass(eq=False)
class InProcess:
    """An `Encoder` around a scheme object; counts its calls, which are said to take `each` seconds."""

    scheme: Any
    public: np.ndarray
    calls: int = 0
    each: float = 0.0

    def encode(self, images: np.ndarray, labels: np.ndarray, *, seed: int) -> Release:
        self.calls += 1
        result: Release = self.scheme.encode(images, labels, self.public, np.random.default_rng(seed))
        return result

    def encode_many(self, calls: list[tuple[np.ndarray, np.ndarray, int]]) -> list[Release]:
        return [self.encode(x, y, seed=s) for x, y, s in calls]

    def seconds(self, images: int) -> float:
        return self.each


@cache
def population(name: str = "tiny") -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Images, labels, public images.  ``tiny``: 480 crops of 16 x 16; ``embedded``: all; ``cifar``: the real ones."""
    if name == "cifar":
        images, labels = load_images("cifar10_eval")
        return images, labels, load_images("imagenet_patches")[0][:3000]
    similar, public = embedded("similar"), embedded("public")
    if name == "embedded":
        return similar.images, similar.labels, public.images

    def half(x: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(x[:, ::2, ::2] + x[:, 1::2, ::2] + x[:, ::2, 1::2] + x[:, 1::2, 1::2]) / 4

    return half(similar.images[:480]), similar.labels[:480], half(public.images[:200])


def setting(scheme: Any, name: str = "tiny", **fields: Any) -> GameSetting:
    """A `GameSetting` of a scheme object on a population."""
    images, labels, public = population(name)
    fields = {
        "key": getattr(scheme, "key", "image"),
        "decomposable": getattr(scheme, "decomposable", True),
        "mechanism": getattr(scheme, "mechanism", None),
        "parameters": dict(vars(scheme)),
    } | fields
    return GameSetting(InProcess(scheme, public), images, labels, int(labels.max()) + 1, **fields)


_SETTINGS: dict[tuple[int, str], GameSetting] = {}


def shared_setting(scheme: Any, name: str) -> GameSetting:
    """One setting per scheme object, so that games of several tests share what was trained."""
    return _SETTINGS.setdefault((id(scheme), name), setting(scheme, name))


def play(game: str, s: GameSetting, seed: int = 1, profile: str = "quick", **fields: Any) -> list[Finding]:
    """All findings of one game, which may be given options: ``id:option=value``."""
    return configure_game(game).run(s, Context(seed, profile=profile, **fields))  # type: ignore[arg-type]


Encode = Callable[[np.ndarray, np.ndarray, np.random.Generator], Release]


@dataclass(eq=False)
class Custom:
    """A scheme from a function of (images, labels, rng)."""

    function: Encode
    key: str = field(default="image")

    def encode(self, images: np.ndarray, labels: np.ndarray, public: np.ndarray, rng: np.random.Generator) -> Release:
        return self.function(images, labels, rng)


def noise(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Encodings that say nothing."""
    return rng.random(images.shape, dtype=np.float32)


def own(n: int) -> Provenance:
    """Row j from image j."""
    return Provenance(np.arange(n)[:, None])


def one_hot(labels: np.ndarray, n: int = 10) -> np.ndarray:
    result: np.ndarray = np.eye(n, dtype=np.float32)[labels]
    return result
