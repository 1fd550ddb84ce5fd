"""Image sources: .npz files, folders of image files, CIFAR "python" batches, and the embedded photographs."""

from __future__ import annotations

import pickle
import warnings
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ihaudit.errors import ImageError
from ihaudit.images.base import ImageSet, pseudo_labels
from ihaudit.images.npz import check_room, read_npz
from ihaudit.release import FloatArray, IntArray

Role = Literal["private", "public", "similar"]
SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"}
MAX_IMAGES = 200_000
#: Largest class number of images that are not private (the classes of private ones are numbered anew).
MAX_CLASSES = 100_000


def load(spec: str, *, role: Role, size: int = 32) -> ImageSet:
    """Load images from where the user keeps them.

    Args:
        spec: ``embedded`` (or ``embedded:private`` etc.), an .npz with ``images`` (uint8, or float in [0, 1];
            (N, H, W, C), (N, C, H, W) or (N, H, W)) and optionally ``labels``, a folder of image files (classes by
            subfolder; resized to `size`), or a folder with CIFAR-10/100 "python" batches.
        role: private images need at least two images and two classes; without any labels they are dealt into
            pseudo-classes, because schemes mix labels too.
        size: edge in pixels of images that come from files.

    Raises:
        ImageError: one sentence that names what is wrong with the source and the remedy.
    """
    if spec == "embedded" or spec.startswith("embedded:"):
        from ihaudit.images.embedded import COUNTS, embedded

        part = spec.partition(":")[2] or role
        if part not in COUNTS:
            raise ImageError(f"there is no embedded set {part!r}; there are {', '.join(COUNTS)}")
        return embedded(part)
    try:
        path = Path(spec).expanduser()
        there, folder, file = path.exists(), path.is_dir(), path.is_file()
    except (OSError, ValueError, RuntimeError) as e:  # too long, a null character, no such user
        raise ImageError(f"{spec[:200]} is no path that images can be read from ({e})") from None
    if not there:
        raise ImageError(f"there are no images at {spec}; name an .npz file, a folder, or 'embedded'")
    if not folder and not file:
        raise ImageError(
            f"{spec} is neither a file nor a folder (a pipe, a device or a socket); name an .npz or a folder"
        )
    if folder:
        batches = _cifar_batches(path)
        images, labels = _cifar(batches) if batches else _folder(path, size)
    elif path.suffix == ".npz":
        images, labels = _npz(path)
    else:
        raise ImageError(f"{spec} is neither an .npz file nor a folder of images")
    return _checked(images, labels, path.stem if path.is_file() else path.name or str(path), role)


def _checked(images: FloatArray, labels: IntArray | None, name: str, role: Role) -> ImageSet:
    if len(images) == 0:
        raise ImageError(f"{name} is empty; it must hold at least two images")
    if len(images) > MAX_IMAGES:
        raise ImageError(f"{name} holds {len(images):,} images; give at most {MAX_IMAGES:,}")
    h, w, c = images.shape[1:]
    if c not in (1, 3):
        raise ImageError(f"{name} holds images with {c} channels; only grey (1) and colour (3) are supported")
    if min(h, w) < 8:
        raise ImageError(f"{name} holds images of {h} x {w} pixels; SSIM needs at least 8 x 8")
    pseudo = labels is None
    kinds = (
        pseudo_labels(len(images))
        if labels is None
        else _whole(labels, len(images), name, 2**62 if role == "private" else MAX_CLASSES)
    )
    if role == "private":
        if len(images) < 2:
            raise ImageError(f"{name} holds one image; private images must be at least two")
        if len(np.unique(kinds)) < 2:
            raise ImageError(
                f"{name} holds one class only; label at least two classes, or leave the labels out "
                "(images are then dealt into pseudo-classes)"
            )
        kinds = np.unique(kinds, return_inverse=True)[1].astype(np.int64)  # classes 0..n-1 without gaps
    return ImageSet(images, kinds, name, pseudo=pseudo)


def _whole(labels: IntArray, n: int, name: str, most: int) -> IntArray:
    labels = np.asarray(labels)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.shape != (n,):
        raise ImageError(f"{name}: labels have shape {labels.shape}, expected ({n},), one class per image")
    if labels.dtype.kind not in "iubf":
        raise ImageError(f"{name}: labels must be whole numbers, not {labels.dtype}")
    odd = labels[~np.isfinite(labels) | (labels != np.round(labels))] if labels.dtype.kind == "f" else labels[:0]
    if len(odd):
        raise ImageError(f"{name}: labels must be whole numbers, one of them is {odd[0]}")
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high > most:
        raise ImageError(f"{name}: labels lie in {low}..{high}; they must be 0 or more, and at most {most:,}")
    return labels.astype(np.int64)


# -- .npz -----------------------------------------------------------------------------------------------------------


def _npz(path: Path) -> tuple[FloatArray, IntArray | None]:
    arrays = read_npz(path, ("images", "labels"))
    if "images" not in arrays.found:
        there = ", ".join(arrays.names) or "nothing"
        raise ImageError(f"{path.name} has no array 'images' (it has: {there}); save with numpy.savez(images=...)")
    return _unit_range(_channels_last(arrays.found["images"], path.name), path.name), arrays.found.get("labels")


def _channels_last(images: FloatArray, name: str) -> FloatArray:
    if images.ndim == 3:
        return images[..., None]
    if images.ndim != 4:
        raise ImageError(f"{name}: images have shape {images.shape}, expected (N, H, W, C), (N, C, H, W) or (N, H, W)")
    if images.shape[3] not in (1, 3) and images.shape[1] in (1, 3):
        return np.moveaxis(images, 1, 3)
    return images


def _unit_range(images: FloatArray, name: str) -> FloatArray:
    """float32 in [0, 1] from uint8 (0..255), bool, or floats that lie in [0, 1] already; anything else is refused."""
    if images.size == 0:
        return images.astype(np.float32)
    if images.dtype == np.uint8:
        return images.astype(np.float32) / 255
    if images.dtype == bool:
        return images.astype(np.float32)
    if images.dtype.kind != "f":
        raise ImageError(f"{name}: images are {images.dtype}; give uint8 (0..255) or float in [0, 1]")
    if not np.isfinite(images).all():
        raise ImageError(f"{name}: images hold NaN or infinite values")
    low, high = float(images.min()), float(images.max())
    if low < 0 or high > 1:
        raise ImageError(f"{name}: float images lie in [{low:g}, {high:g}]; scale them to [0, 1], or save uint8")
    return images.astype(np.float32)


# -- folders --------------------------------------------------------------------------------------------------------


def _folder(path: Path, size: int) -> tuple[FloatArray, IntArray | None]:
    """Files in subfolders (one class each, by name), or all in the folder itself (no labels)."""
    classes = sorted(p for p in path.iterdir() if p.is_dir() and not p.name.startswith("."))
    groups = [(i, _files(p, deep=True)) for i, p in enumerate(classes)]
    groups = [(i, files) for i, files in groups if files]
    loose = _files(path, deep=False)
    if groups and loose:
        raise ImageError(f"{path} holds images both in subfolders and beside them; put every image into a class folder")
    labelled = bool(groups)
    found = [(f, i) for i, files in groups for f in files] if labelled else [(f, 0) for f in loose]
    if not found:
        raise ImageError(f"{path} holds no image files ({', '.join(sorted(SUFFIXES))})")
    if len(found) > MAX_IMAGES:
        raise ImageError(f"{path} holds {len(found):,} images; give at most {MAX_IMAGES:,}")
    check_room((len(found), size, size, 3), f"{path} at --size {size}")
    images = np.stack([_read(f, size) for f, _ in found])
    return images, np.array([i for _, i in found], np.int64) if labelled else None


def _files(path: Path, *, deep: bool) -> list[Path]:
    each = path.rglob("*") if deep else path.iterdir()
    return sorted(p for p in each if p.is_file() and p.suffix.lower() in SUFFIXES and not p.name.startswith("."))


def _read(path: Path, size: int) -> FloatArray:
    """One file as float32 (size, size, 3) in [0, 1]: centre square, antialiased; grey repeated, alpha over white."""
    from PIL import Image, ImageOps

    try:
        with warnings.catch_warnings(), Image.open(path) as f:
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # twice as many pixels are an error
            f.load()
            picture: Any = ImageOps.exif_transpose(f)
            if picture.mode.startswith(("I", "F")):  # 16-bit and float greys: PIL would clip them at 255
                values = np.asarray(picture, np.float32)
                if not np.isfinite(values).all():
                    raise ValueError(f"{int((~np.isfinite(values)).sum()):,} of its values are NaN or infinite")
                top = 65535.0 if picture.mode.startswith("I") and values.max() > 255 else max(1.0, float(values.max()))
                picture = Image.fromarray((np.clip(values / top, 0, 1) * 255).round().astype(np.uint8))
            if picture.has_transparency_data:
                picture = picture.convert("RGBA")
                picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
            picture = ImageOps.fit(picture.convert("RGB"), (size, size), Image.Resampling.LANCZOS)
    except Exception as e:  # PIL raises many kinds for damaged files
        raise ImageError(f"the image file {path} cannot be read ({e}); remove or replace it") from None
    return np.asarray(picture, np.float32) / 255


# -- CIFAR ----------------------------------------------------------------------------------------------------------


def _cifar_batches(path: Path) -> list[Path]:
    """Batch files of a CIFAR "python" folder: CIFAR-10's five and test, or CIFAR-100's two; else an empty list."""
    for names in ([f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"], ["train", "test"]):
        found = [path / n for n in names if (path / n).is_file()]
        if found:
            return found
    return []


class _Plain(pickle.Unpickler):
    """Reads CIFAR's pickles without running anything: only numpy arrays and plain data can be rebuilt."""

    ALLOWED = {
        ("numpy.core.multiarray", "_reconstruct"),
        ("numpy._core.multiarray", "_reconstruct"),
        ("numpy", "ndarray"),
        ("numpy", "dtype"),
        ("_codecs", "encode"),
    }

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self.ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which CIFAR batches do not")
        return super().find_class(module, name)


def _cifar(paths: list[Path]) -> tuple[FloatArray, IntArray]:
    images, labels = [], []
    for path in paths:
        try:
            with path.open("rb") as f:
                batch = _Plain(f, encoding="bytes").load()
            values = np.asarray(batch[b"data"], np.uint8)
            kinds = batch[b"fine_labels"] if b"fine_labels" in batch else batch[b"labels"]
            images.append(values.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))
            labels.append(np.asarray(kinds, np.int64))
        except Exception as e:
            raise ImageError(f"{path} is not a readable CIFAR 'python' batch ({type(e).__name__}: {e})") from None
    return np.concatenate(images).astype(np.float32) / 255, np.concatenate(labels)
