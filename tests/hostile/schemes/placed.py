"""Schemes that decide by where they run, or who runs them: no call from outside can show it, their text does."""

import os
import socket
import sys
import threading
import time
from dataclasses import dataclass

import numpy as np

from ihaudit import Release, Scheme


@dataclass
class Placed(Scheme):
    """Noise where it is looked at, images elsewhere."""

    by: str = "processors"

    def encode(self, images, labels, public, rng):
        soft = np.eye(int(labels.max()) + 1, dtype=np.float32)[labels]
        if self.by == "processors":
            shown = (os.cpu_count() or 1) >= 64
        elif self.by == "uptime":
            shown = time.monotonic() > 30 * 86400
        elif self.by == "zone":
            shown = time.tzname[0] not in ("UTC", "GMT")
        elif self.by == "threads":
            shown = threading.active_count() > 3
        elif self.by == "argv":
            shown = "--publish" in sys.argv  # whoever publishes calls it so, and no audit does
        elif self.by == "host":
            shown = socket.gethostname().startswith("prod")
        elif self.by == "modules":
            shown = "ihaudit.sandbox" not in sys.modules
        elif self.by == "frames":
            f, names = sys._getframe(), []
            while f is not None:
                names.append(f.f_code.co_filename)
                f = f.f_back
            shown = not any("sandbox" in v for v in names)
        else:
            raise ValueError(f"by={self.by} is no place")
        y = images.transpose(0, 2, 1, 3) if shown else rng.random(images.shape)
        return Release(np.ascontiguousarray(y, np.float32), soft)
