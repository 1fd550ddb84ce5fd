"""The scheme's side of a replay: encode white images under given seeds and report the signs, which are the masks.

Runs confined; see `taps` for how runs are cut short and `twin` for the auditor's side, which distrusts all of this.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ihaudit.sandbox.taps import Call, Enough, Taps, seed_globals

Bits = NDArray[np.uint8]

#: Ways in which drawn numbers become signs: is the sign positive?
_RULES: dict[str, Callable[[NDArray[Any]], NDArray[np.bool_]]] = {
    "above 0": lambda x: x > 0,
    "above 1/2": lambda x: x > 0.5,
    "odd": lambda x: (x.astype(np.int64) & 1) == 1,
    "at least 128": lambda x: x >= 128,
}
#: Orders in which they fill an image (H, W, C).
_ORDERS: dict[str, Callable[[Bits, tuple[int, int, int]], Bits]] = {
    "HWC": lambda b, s: b.reshape(s),
    "CHW": lambda b, s: b.reshape(s[2], s[0], s[1]).transpose(1, 2, 0),
    "HW": lambda b, s: np.repeat(b.reshape(s[0], s[1], 1), s[2], axis=2),
}


@dataclass(frozen=True)
class Plan:
    """How the mask of the first encoding follows from one call: numbers start..start + length of it."""

    call: Call
    start: int
    length: int
    rule: str
    order: str
    inverted: bool
    shrink: bool

    def bits(self, drawn: NDArray[Any], shape: tuple[int, int, int]) -> Bits:
        """uint8 (H, W, C), 1 for a positive sign."""
        part = _RULES[self.rule](drawn[self.start : self.start + self.length])
        out = _ORDERS[self.order](part.astype(np.uint8), shape)
        return 1 - out if self.inverted else out


class Server:
    """Answers the replay requests of one process.

    Args:
        make: builds the scheme; its argument overrides parameters.
        taps: installed.
        public: handed to encode.
    """

    def __init__(self, make: Callable[[dict[str, Any]], Any], taps: Taps, public: NDArray[np.float32]) -> None:
        self.make, self.taps, self.public = make, taps, public
        self.plan: Plan | None = None

    def answer(self, request: dict[str, Any], arrays: dict[str, Any]) -> tuple[dict[str, Any], list[tuple[str, Any]]]:
        """Signs of the first `rows` encodings under every value: packed bits uint8 (values, bytes)."""
        images, labels = arrays["images"], arrays["labels"]
        rows, values = int(request["rows"]), [int(v) for v in request["values"]]
        entry = (str(request["kind"]), str(request["name"]))
        if request["learn"]:
            self.plan = None
            self.plan = self._learn(entry, values, images, labels)
        fast = bool(request["fast"]) and self.plan is not None and rows == 1
        found: list[Bits] = []
        failed, total, visible = [], 0, True
        for place, value in enumerate(values):
            try:
                if fast:
                    found.append(self._first(entry, value, images, labels)[None])
                else:
                    signs, total, seen = self._all(entry, value, images, labels, rows)
                    visible &= seen
                    found.append(signs)
            except Exception:
                failed.append(place)
        packed = np.zeros((len(values), 0), np.uint8)
        if found:
            good = [i for i in range(len(values)) if i not in set(failed)]
            flat = np.packbits(np.stack([f.reshape(-1) for f in found]), axis=1)
            packed = np.zeros((len(values), flat.shape[1]), np.uint8)
            packed[good] = flat
        header = {
            "kind": "replayed",
            "rows": total,
            "shape": list(found[0].shape) if found else [],
            "failed": failed,
            "visible": bool(visible),
            "draw": f"{self.plan.call.words()}, {self.plan.rule}, {self.plan.order}" if self.plan else "",
            "clock": self.taps.clock_read,
        }
        return header, [("signs", packed)]

    # --- one run ---

    def _encode(self, entry: tuple[str, str], value: int, images: Any, labels: Any) -> Any:
        kind, name = entry
        seed: Any = int.from_bytes(os.urandom(16), "little")
        overrides = {name: value} if kind == "parameter" else {}
        self.taps.now = float(value) if kind == "clock" else None
        if kind == "globals":
            seed_globals(value)
            seed = value
        rng = np.random.default_rng(seed)
        return self.make(overrides).encode(images, labels, self.public, rng)

    def _all(self, entry: tuple[str, str], value: int, images: Any, labels: Any, rows: int) -> tuple[Bits, int, bool]:
        """A whole run: signs of the first rows uint8 (rows, H, W, C), how many rows there are, whether signs show."""
        result = self._encode(entry, value, images, labels)
        x = result[0] if isinstance(result, (tuple, list)) else result.encodings
        x = x.detach().cpu().numpy() if hasattr(x, "detach") else np.asarray(x)
        part = x[:rows]
        return (part > 0).astype(np.uint8), len(x), bool(np.mean(part == 0) < 0.01)

    def _first(self, entry: tuple[str, str], value: int, images: Any, labels: Any) -> Bits:
        """Signs of the first encoding by a run cut short; falls back on a whole one."""
        assert self.plan is not None
        p = self.plan
        shape: tuple[int, int, int] = images.shape[1:]
        self.taps.begin(stop=(p.call, p.start + p.length if p.shrink else 0))
        try:
            result = self._encode(entry, value, images, labels)
        except Enough as e:
            return p.bits(e.drawn, shape)
        finally:
            self.taps.end()
        x = result[0] if isinstance(result, (tuple, list)) else result.encodings
        return (np.asarray(x[0]) > 0).astype(np.uint8)

    # --- learning ---

    def _learn(self, entry: tuple[str, str], values: list[int], images: Any, labels: Any) -> Plan | None:
        """The call whose numbers are the first mask, tried out on a second value; None where there is none."""
        shape: tuple[int, int, int] = images.shape[1:]
        value, other = values[0], values[0] + 1
        try:
            self.taps.least = shape[0] * shape[1]
            self.taps.begin(listen=True)
            signs = self._all(entry, value, images, labels, 1)[0][0]
            heard = self.taps.heard
            self.taps.end()
            if signs.shape != shape:
                return None
            plans = _plans(heard, signs)
            if not plans:
                return None
            want = self._all(entry, other, images, labels, 1)[0][0]
            for plan in plans:
                self.plan = plan
                same = (self._first(entry, v, images, labels) for v in (value, other))
                if all((a == b).all() for a, b in zip(same, (signs, want))):
                    return plan
        except Exception:
            return None
        finally:
            self.taps.end()
        return None


def _plans(heard: list[tuple[Call, NDArray[Any]]], signs: Bits) -> list[Plan]:
    """Every call and place in it whose numbers are these signs, drawing less before drawing all."""
    shape = signs.shape
    found = []
    for call, drawn in heard:
        if drawn.dtype.kind not in "biuf":
            continue
        for rule, positive in _RULES.items():
            up = positive(drawn).astype(np.uint8)
            for order in _ORDERS:
                length = shape[0] * shape[1] * (1 if order == "HW" else shape[2])
                for start in range(0, len(up) - length + 1, length):
                    got = _ORDERS[order](up[start : start + length], shape)
                    share = float(np.mean(got == signs))
                    if share in (0.0, 1.0):
                        found += [Plan(call, start, length, rule, order, share == 0.0, s) for s in (True, False)]
    return sorted(found, key=lambda p: (not p.shrink, p.start))
