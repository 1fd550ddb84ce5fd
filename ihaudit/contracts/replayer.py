"""What it is to run a scheme's code again: the contract between an attack that knows the code and the sandbox.

An adversary who has a scheme's code (Kerckhoffs) can run it on images and under seeds of his choice.  White images show
the masks, so the question "is there a seed that gives the masks of this release?" can be asked of any encoder, whatever
generator it uses and wherever in its stream the masks lie.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

_SEED = re.compile(r"(^|_)(seed|key|nonce|salt)s?($|_)", re.IGNORECASE)
Kind = Literal["as it is", "parameter", "clock", "globals"]


def is_seed(name: str) -> bool:
    """Whether a parameter is called like one that a deployment keeps secret: seed, rng_seed, mask_key, nonce, ...

    >>> [n for n in ("seed", "rng_seed", "key", "k", "monkey", "epochs") if is_seed(n)]
    ['seed', 'rng_seed', 'key']
    """
    return bool(_SEED.search(name))


@dataclass(frozen=True)
class Entry:
    """Where a seed enters a run of the scheme.

    Attributes:
        kind: ``as it is`` (nowhere: the code as published, in a fresh process), ``parameter`` (a parameter called like
            a seed), ``clock`` (seconds since 1970 that the system's clock shows), ``globals`` (every library's global
            generator, and the generator handed to encode, seeded at the start).
        name: of the parameter.
    """

    kind: Kind
    name: str = ""

    def words(self) -> str:
        """For reports."""
        return {
            "as it is": "the code as it is, nothing seeded",
            "parameter": f"its parameter {self.name}",
            "clock": "the time of day that it reads, in whole seconds",
            "globals": "numpy.random.seed, random.seed, torch.manual_seed and the generator handed to encode",
        }[self.kind]


@dataclass(frozen=True, eq=False)
class Replayed:
    """What runs of the scheme on white images showed.

    Attributes:
        signs: uint8 (V, R, H, W, C), 1 where a value of the encoding is positive; zero where a run failed.
        ok: bool (V,), the run came to an end.
        total: encodings in a whole run, 0 where none was made.
        visible: the encodings have signs (hardly any value is zero).
        draw: the call that draws the first mask, where one was recognised; "" otherwise.
    """

    signs: NDArray[np.uint8]
    ok: NDArray[np.bool_]
    total: int
    visible: bool
    draw: str


class Replayer(Protocol):
    """Runs the scheme's code again; the sandbox, or a stand-in in tests."""

    def entries(self) -> list[Entry]:
        """Where a seed might enter; `as it is` first."""

    def replay(
        self,
        entry: Entry,
        values: Sequence[int],
        *,
        shape: tuple[int, int, int, int],
        n_classes: int,
        rows: int = 1,
        learn: bool = False,
    ) -> Replayed:
        """Encode white images under each value.

        Args:
            entry: where the values enter.
            values: whole numbers.
            shape: (N, H, W, C) of the images to encode; labels go round the classes.
            n_classes: number of classes.
            rows: encodings whose signs are wanted, from the first.
            learn: look first for the call that draws the first mask; later calls with ``rows=1`` then end there.

        Raises:
            NotApplicable: the scheme cannot be run so; one sentence.
        """
