"""What a scheme author writes against: `Scheme`, `Claim`, `Knowledge`.

A scheme file holds one class::

    from dataclasses import dataclass
    from ihaudit import Claim, Knowledge, Release, Scheme

    @dataclass
    class MyScheme(Scheme):
        "One paragraph on what is hidden, how, and what is released."
        k: int = 4
        claims = (Claim("ssim", 0.3, knows=("encodings", "labels", "distribution")),)

        def encode(self, images, labels, public, rng):
            ...
            return Release(encodings, soft_labels)

It runs in its own process (`ihaudit.sandbox`); this module must stay free of torch so that it loads fast there.
"""

from __future__ import annotations

import itertools
import math
import reprlib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Protocol, runtime_checkable

import numpy as np

from ihaudit.release import FloatArray, IntArray, Release


class Knowledge(StrEnum):
    """What an adversary has.  Additive: an adversary is a set of these; every one has the encodings."""

    ENCODINGS = "encodings"
    LABELS = "labels"
    DISTRIBUTION = "distribution"  # similar images to train on, none of them private
    CODE = "code"  # Kerckhoffs: the scheme and its parameters, not its randomness
    PUBLIC_SET = "public_set"  # the very public images that were mixed in
    ORACLE = "oracle"  # encode images of one's choice with fresh randomness
    PAIRS = "pairs"  # some images of the release and the encodings made of them, under the same key
    CANDIDATES = "candidates"  # plaintext images that hold the private ones among others: who is who?


class KeyScope(StrEnum):
    """What shares one key."""

    IMAGE = "image"  # nothing: each image, or each row, has randomness of its own
    RELEASE = "release"  # the rows of one call
    FIXED = "fixed"  # all rows of all calls

    @classmethod
    def parse(cls, word: object) -> KeyScope:
        """The scope of a name; ``fresh`` and ``dataset``, as scheme files used to say, are ``image`` and ``release``.

        Raises:
            ValueError: no scope is called so.
        """
        try:
            return cls({"fresh": "image", "dataset": "release"}.get(str(word), str(word)))
        except ValueError:
            raise ValueError(f"key is {word!r}, expected 'image', 'release' or 'fixed'") from None


def implied(knows: Iterable[Knowledge]) -> frozenset[Knowledge]:
    """All that an adversary has who has `knows`: encodings always, and with the code the oracle (it can run it)."""
    known = frozenset(knows) | {Knowledge.ENCODINGS}
    return known | {Knowledge.ORACLE} if Knowledge.CODE in known else known


#: The adversary of the default gates, used where a scheme makes no claim: the one of the InstaHide Challenge, who also
#: knows some records of the release where rows hold one each (known plaintext), and who holds plaintext images that
#: contain the private ones (the NeuraCrypt challenge's adversary) and asks which is whose.
DEFAULT_ADVERSARY: frozenset[Knowledge] = frozenset(
    {
        Knowledge.ENCODINGS,
        Knowledge.LABELS,
        Knowledge.DISTRIBUTION,
        Knowledge.CODE,
        Knowledge.ORACLE,
        Knowledge.PAIRS,
        Knowledge.CANDIDATES,
    }
)


def finite(value: object) -> float | None:
    """`value` as a float where it is a finite number (true and false are none), else None; any object may be asked."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.integer, np.floating)):
        return None
    try:
        x = float(value)
    except OverflowError:
        return None
    return x if math.isfinite(x) else None


def _knowledge(knows: object) -> list[Knowledge]:
    """What a claim says that the adversary has; one word is a list of one."""
    words = ", ".join(Knowledge)
    if isinstance(knows, str):
        knows = (knows,)
    if not isinstance(knows, Iterable):
        raise ValueError(f"a claim's knows must be a list of {words}, not {reprlib.repr(knows)}")
    found = []
    for k in itertools.islice(knows, 100):
        if not isinstance(k, str) or k not in Knowledge.__members__.values():
            raise ValueError(f"a claim's knows holds {reprlib.repr(k)}, which is none of {words}")
        found.append(Knowledge(k))
    return found


#: Numbers of a claim: name, bracket, lowest, highest, bracket.
_CLAIM_RANGES = (
    ("bound", "(", -math.inf, math.inf, ")"),
    ("quantile", "(", 0.0, 1.0, "]"),
    ("delta", "[", 0.0, 1.0, ")"),
)


@dataclass(frozen=True)
class Claim:
    """A machine-readable, refutable privacy claim: "an adversary who has KNOWS keeps QUANTITY below BOUND".

    Attributes:
        quantity: the name of a metric of results.json: ``ssim`` (per private image, see `quantile`), ``reid``
            (re-identification accuracy above chance), ``advantage`` (of a distinguishing game), ``epsilon``.
        bound: the claim is refuted when the measured lower confidence bound lies above it.
        knows: the adversary's knowledge; ``encodings`` is always included, and ``code`` includes ``oracle`` (who has
            the code can run it), and a claim on ``reid`` includes ``candidates`` (to say whose picture an encoding
            is, one must have pictures to choose from).
        quantile: for per-image quantities, which quantile over private images is bounded; 1.0 means "no image".
        target: restrict the claim to one game or attack id; None means all that the adversary can run.
        delta: for ``epsilon`` claims, the delta of (epsilon, delta)-DP.
        text: the claim in the author's own words, printed in the report; a sentence is made where it is empty.
    """

    quantity: str
    bound: float
    knows: Iterable[str | Knowledge] = tuple(sorted(DEFAULT_ADVERSARY))
    quantile: float = 1.0
    target: str | None = None
    delta: float = 0.0
    text: str = ""

    QUANTITIES: ClassVar[tuple[str, ...]] = ("ssim", "reid", "advantage", "epsilon")

    def __post_init__(self) -> None:
        if not isinstance(self.quantity, str) or self.quantity not in self.QUANTITIES:
            said = reprlib.repr(self.quantity)
            raise ValueError(f"a claim's quantity must be one of {', '.join(self.QUANTITIES)}, not {said}")
        for name, left, low, high, right in _CLAIM_RANGES:
            given = getattr(self, name)
            x = finite(given)
            if x is None or not low <= x <= high or (x == low and left == "(") or (x == high and right == ")"):
                kind = "a finite number" if low == -math.inf else f"a number in {left}{low:g}, {high:g}{right}"
                raise ValueError(f"a claim's {name} must be {kind}, not {reprlib.repr(given)}")
            object.__setattr__(self, name, x)
        if self.target is not None and not isinstance(self.target, str):
            said = reprlib.repr(self.target)
            raise ValueError(f"a claim's target must be the id of a game or an attack, or None, not {said}")
        if not isinstance(self.text, str):
            raise ValueError(f"a claim's text must be text, not {reprlib.repr(self.text)}")
        known = implied(_knowledge(self.knows))
        if self.quantity == "reid":
            known |= {Knowledge.CANDIDATES}
        object.__setattr__(self, "knows", known)

    @property
    def adversary(self) -> frozenset[Knowledge]:
        """The adversary's knowledge as a set of `Knowledge`."""
        return frozenset(Knowledge(k) for k in self.knows)

    def sentence(self) -> str:
        """The claim in one plain sentence."""
        if self.text:
            return self.text
        who = "an adversary who has " + ", ".join(sorted(k.value.replace("_", " ") for k in self.adversary))
        if self.quantity == "ssim":
            share = "no private image" if self.quantile == 1.0 else f"at most {1 - self.quantile:.0%} of private images"
            return f"{share} can be recovered with SSIM above {self.bound:g} by {who}"
        if self.quantity == "reid":
            return f"private images are re-identified at most {self.bound:.0%} more often than by chance by {who}"
        if self.quantity == "advantage":
            where = f" in the game {self.target}" if self.target else ""
            return f"distinguishing advantage{where} is at most {self.bound:g} for {who}"
        return f"releases are epsilon = {self.bound:g}, delta = {self.delta:g} differentially private against {who}"


#: Fields of `Augmentation` that are numbers, with what they may be at most.
AUGMENTATION_LIMITS = {"shift": 64.0, "rotation": 180.0, "stretch": 0.9}


@dataclass(frozen=True)
class Augmentation:
    """The group of motions by which a scheme moves private images before it mixes them.

    A mirrored or shifted reconstruction is a break all the same, and which pose an image had at first may be unknowable
    from moved copies; where a scheme states the group, reconstructions are also scored up to it (`ssim_aligned`).

    Attributes:
        shift: the furthest along an axis: pixels from 1 on, a share of the side below.
        mirror: images are mirrored left to right.
        rotation: degrees, at most.
        stretch: relative change of scale along an axis, at most.
    """

    shift: float = 0.0
    mirror: bool = False
    rotation: float = 0.0
    stretch: float = 0.0

    def __post_init__(self) -> None:
        if not isinstance(self.mirror, (bool, np.bool_)):
            raise ValueError(f"an augmentation's mirror must be true or false, not {reprlib.repr(self.mirror)}")
        object.__setattr__(self, "mirror", bool(self.mirror))
        for name, most in AUGMENTATION_LIMITS.items():
            given = getattr(self, name)
            x = finite(given)
            if x is None or not 0 <= x <= most:
                raise ValueError(
                    f"an augmentation's {name} must be a number in [0, {most:g}], not {reprlib.repr(given)}"
                )
            object.__setattr__(self, name, x)

    def pixels(self, size: int) -> float:
        """The furthest shift along an axis of `size` pixels."""
        return self.shift if self.shift >= 1 else self.shift * size

    @property
    def moves(self) -> bool:
        """Whether anything is moved at all."""
        return self.mirror or max(self.shift, self.rotation, self.stretch) > 0

    def words(self) -> str:
        """What is done, in words: ``mirrored, shifted by up to 4 pixels``."""
        said = ["mirrored"] if self.mirror else []
        if self.shift:
            far = f"{self.shift:g} pixels" if self.shift >= 1 else f"{self.shift:.0%} of their side"
            said.append(f"shifted by up to {far}")
        if self.rotation:
            said.append(f"turned by up to {self.rotation:g} degrees")
        if self.stretch:
            said.append(f"stretched by up to {self.stretch:.0%}")
        return ", ".join(said) or "not moved"


@runtime_checkable
class SchemeLike(Protocol):
    """The contract of a scheme object; `Scheme` is a convenience base class, not a requirement."""

    def encode(self, images: FloatArray, labels: IntArray, public: FloatArray, rng: np.random.Generator) -> Release:
        """Encode labelled private images.

        Args:
            images: float32 (N, H, W, C) in [0, 1], read-only.
            labels: int64 (N,), classes 0..n-1.
            public: float32 (M, H, W, C) in [0, 1], read-only; M may be 0.
            rng: the source of randomness an audit can reproduce; a scheme may use another (that is audited too).

        Returns:
            Release: what is published; with provenance if the scheme can state it.
        """


class Scheme:
    """Base class of scheme files.  Subclass it as a dataclass whose fields are the parameters.

    Class attributes (all optional, all plain data):
        claims: tuple of `Claim`.  No claim is itself a finding, and the default gates apply.
        secrets: what the scheme keeps secret, in words.
        security_parameter: the name of the field that is said to control security (swept by `ihaudit sweep`).
        key: the scope of what is kept secret (`KeyScope`): ``image`` (drawn afresh for every image or row), ``release``
            (one key per call, shared by all its rows) or ``fixed`` (baked in: the same in every call).  Measured, not
            trusted.  With ``release`` the games are played with known images under the challenge's key as well.
        decomposable: whether encoded images never depend on labels (Definition 1); checked, not trusted.
        mechanism: ``gaussian`` if encodings are images plus Gaussian noise and an epsilon is meant; enables the
            f-DP conversion.  None otherwise.
        augmentation: the `Augmentation` that moves private images before they are hidden, where there is one.
        scheme_name: how it is called in reports; the class name where empty.
        kind: what it does to images, in a few words (``block scrambling``); for lists.
        precision: of what is published, ``float16`` or ``float32`` (`ihaudit.audit.canonical`); all that encode returns
            is audited, whatever its precision.
        publishes: names of the further arrays (`Release.extra`) that are published; others are audited, and left out
            of the canonical release.
        published_break: who broke it, and how far, in a line; empty where no break was found in print.
    """

    claims: ClassVar[tuple[Claim, ...]] = ()
    secrets: ClassVar[str] = ""
    security_parameter: ClassVar[str | None] = None
    key: str = "image"  # not ClassVar: a scheme may set it by its parameters, in __post_init__
    decomposable: ClassVar[bool] = True
    mechanism: ClassVar[str | None] = None
    augmentation: Augmentation | None = None  # not ClassVar, as above
    scheme_name: ClassVar[str] = ""
    kind: ClassVar[str] = ""
    precision: ClassVar[str] = "float16"
    publishes: ClassVar[tuple[str, ...]] = ()
    published_break: ClassVar[str] = ""

    def encode(self, images: FloatArray, labels: IntArray, public: FloatArray, rng: np.random.Generator) -> Release:
        """See `SchemeLike.encode`."""
        raise NotImplementedError(f"{type(self).__name__} does not define encode(images, labels, public, rng)")
