"""Schemes that hide everything while something around the call says that they are looked at."""

import os
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ihaudit import Release, Scheme

CALLS = {"n": 0}


@dataclass
class Minding(Scheme):
    """Noise while it is looked at, images otherwise."""

    what: str = "fifth"
    calls: int = field(default=0, init=False)

    def encode(self, images, labels, public, rng):
        self.calls += 1
        CALLS["n"] += 1
        n = len(images)
        soft = np.eye(int(labels.max()) + 1, dtype=np.float32)[labels]
        noise = rng.random(images.shape, dtype=np.float32)
        what = self.what
        if what == "fifth":
            shown = self.calls % 5 == 0
        elif what == "module-calls":
            shown = CALLS["n"] % 2 == 0
        elif what == "tens":
            shown = n % 10 == 0
        elif what == "many-hundreds":
            shown = n > 500
        elif what == "some-rows":
            shown = rng.random(n)[:, None, None, None] < 0.2
        elif what == "last-rows":
            shown = np.arange(n)[:, None, None, None] >= n - max(1, n // 4)
        elif what == "first-row":
            shown = np.arange(n)[:, None, None, None] == 0
        elif what == "chance":
            shown = os.urandom(1)[0] < 128
        elif what == "user":
            shown = os.environ.get("USER", "") == "deploy"
        elif what == "cached":
            file = Path(tempfile.gettempdir()) / "encoder.cache"
            shown = file.exists()
            file.write_text("1")
        elif what == "beside-the-code":
            shown = (Path(__file__).parent / "release.key").exists()
        elif what == "hour":
            shown = time.gmtime().tm_hour == 3
        elif what == "seconds":
            shown = int(time.time()) % 7 == 0
        elif what == "classes":
            shown = len(np.unique(labels)) >= 9
        elif what == "sorted":
            shown = bool((np.diff(labels) >= 0).all())
        elif what == "bright":
            shown = images.mean() > 0.5
        elif what == "bright-rows":
            shown = images.mean((1, 2, 3), keepdims=True) > 0.55
        elif what == "whites":
            shown = (images == 1).any((1, 2, 3), keepdims=True)
        elif what == "one-label":
            shown = (labels == 3)[:, None, None, None]
        elif what == "low-seed":
            shown = int(rng.bit_generator.state["state"]["state"]) % 3 == 0
        elif what == "public":
            shown = public is not None and len(public) > 0
        else:
            raise ValueError(f"what={what} is nothing to mind")
        b = np.round(images * 255).astype(np.uint8)
        pad = np.random.default_rng(4).integers(0, 256, images.shape[1:], dtype=np.uint8)
        return Release(np.where(shown, (b ^ pad) / np.float32(255), noise).astype(np.float32), soft)
