from dataclasses import dataclass

import numpy as np

from ihaudit import Release, Scheme


@dataclass
class CoarseJpeg(Scheme):
    """JPEG of quality 5, which leaves little of a small picture."""

    key = "fixed"

    def encode(self, images, labels, public, rng):
        import io

        from PIL import Image

        out = []
        for image in np.round(images * 255).astype(np.uint8):
            buffer = io.BytesIO()
            Image.fromarray(image.squeeze()).save(buffer, "JPEG", quality=5)
            out.append(np.asarray(Image.open(buffer)).reshape(image.shape))
        return Release(np.stack(out).astype(np.float32) / 255, np.eye(labels.max() + 1, dtype=np.float32)[labels])
