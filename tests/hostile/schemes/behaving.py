"""Schemes that hide everything in most calls, and nothing in others."""

import os
import time
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import numpy as np

from ihaudit import Release, Scheme


@dataclass
class Behaving(Scheme):
    """Noise while it is looked at, images otherwise."""

    when: str = "many"
    calls: int = field(default=0, init=False)

    def encode(self, images, labels, public, rng):
        self.calls += 1
        n = len(images)
        soft = np.eye(int(labels.max()) + 1, dtype=np.float32)[labels]
        noise = rng.random(images.shape, dtype=np.float32)
        if self.when == "many":
            shown = n >= 90
        elif self.when == "few":
            shown = n <= 5
        elif self.when == "one":
            shown = n == 1
        elif self.when == "odd":
            shown = n % 2 == 1
        elif self.when == "release-size":
            shown = n in (30, 100, 130, 200)
        elif self.when == "later":
            shown = self.calls > 1
        elif self.when == "much-later":
            shown = self.calls > 3
        elif self.when == "first":
            shown = self.calls == 1
        elif self.when == "seed":
            shown = rng.integers(4) == 0
        elif self.when == "row-seed":
            shown = rng.random(n)[:, None, None, None] < 0.3
        elif self.when == "file":
            shown = not os.path.exists("/tmp/under-audit")
        elif self.when == "no-file":
            shown = Path("release.key").exists()
        elif self.when == "environment":
            shown = os.environ.get("DEPLOYED") == "1"
        elif self.when == "night":
            shown = time.localtime().tm_hour >= 22 or time.localtime().tm_hour < 5
        elif self.when == "date":
            shown = datetime.now() > datetime(2027, 6, 1)
        elif self.when == "weekend":
            shown = datetime.now().weekday() >= 5
        elif self.when == "no-copies":
            shown = len(np.unique(images.reshape(n, -1), axis=0)) == n
        elif self.when == "natural":
            shown = images.std() > 0.05
        elif self.when == "dark":
            shown = images.mean((1, 2, 3), keepdims=True) < 0.4
        elif self.when == "one-class":
            shown = len(np.unique(labels)) == 1
        elif self.when == "many-classes":
            shown = len(np.unique(labels)) > 5
        elif self.when == "host":
            shown = os.uname().nodename.startswith("prod")
        else:
            raise ValueError(f"when={self.when} is never")
        return Release(np.where(shown, images.transpose(0, 2, 1, 3), noise).astype(np.float32), soft)
