"""Which photographs train a network and which are kept for measuring it: one split, used by training and benchmarks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ihaudit.errors import ImageError

#: What cards say of the images trained on, and of their terms.
TRAINED_ON = (
    "cifar10_train20k (first 10,000), cifar100_train5k and imagenet_patches (4,295 patches, of photographs none of "
    "which is held out); the split is ihaudit.nn.sources.load_split"
)
LICENSE_NOTE = "weights trained on images whose terms are research use"

#: Images of cifar10_train20k from here on, and this many patches, belong to measurements and are never trained on.
CIFAR_HELD_OUT, PATCHES_HELD_OUT = 10_000, 10_000
#: Classes of cifar100_train5k are numbered from here on.
HUNDRED = 1000


@dataclass(frozen=True)
class Split:
    """uint8 (N, 32, 32, 3) arrays: what may be trained on, and held-out private-like and public-like images.

    `train_labels` and `held_labels` are the classes int64 (N,) of the private-like ones.
    """

    train_private: NDArray[np.uint8]
    train_labels: NDArray[np.int64]
    train_public: NDArray[np.uint8]
    held_cifar: NDArray[np.uint8]
    held_labels: NDArray[np.int64]
    held_patches: NDArray[np.uint8]


def read_images(folder: Path, name: str) -> dict[str, NDArray[Any]]:
    """The arrays of `name`.npz; raises `ImageError` where it is missing."""
    path = folder / f"{name}.npz"
    if not path.exists():
        raise ImageError(f"there is no {path}; name the folder with the training images by --data")
    with np.load(path) as z:
        return {k: z[k] for k in z.files}


def load_split(folder: Path, seed: int = 0) -> Split:
    """The split of ``cifar10_train20k``, ``cifar100_train5k`` and ``imagenet_patches`` in `folder`.

    CIFAR: the first 10,000 of cifar10_train20k and cifar100_train5k train, the rest is held out.  Patches: whole
    photographs (`source_index`), in an order fixed by `seed`, are held out until 10,000 patches are; the others train.

    Raises:
        ImageError: a file is missing.
    """
    cifar, other = read_images(folder, "cifar10_train20k"), read_images(folder, "cifar100_train5k")
    patches = read_images(folder, "imagenet_patches")
    source = patches["source_index"]
    photographs = np.random.default_rng([seed, 77]).permutation(np.unique(source))
    count = np.cumsum([int((source == p).sum()) for p in photographs])
    held = photographs[: int(np.searchsorted(count, PATCHES_HELD_OUT)) + 1]
    held_out = np.isin(source, held)
    labels = cifar["labels"].astype(np.int64)
    return Split(
        train_private=np.concatenate([cifar["images"][:CIFAR_HELD_OUT], other["images"]]),
        train_labels=np.concatenate([labels[:CIFAR_HELD_OUT], HUNDRED + other["labels"].astype(np.int64)]),
        train_public=patches["images"][~held_out],
        held_cifar=cifar["images"][CIFAR_HELD_OUT:],
        held_labels=labels[CIFAR_HELD_OUT:],
        held_patches=patches["images"][held_out],
    )
