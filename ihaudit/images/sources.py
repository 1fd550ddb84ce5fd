"""Image sources: arrays, folders of image files, parquet, CIFAR "python" batches, and the embedded photographs."""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ihaudit.errors import ImageError
from ihaudit.images.base import ImageSet, pseudo_labels
from ihaudit.images.depth import Extent, scale
from ihaudit.images.files import MAX_IMAGES, PACKED, SUFFIXES, UNREAD, Source, folder
from ihaudit.images.npz import check_promise, read_npz
from ihaudit.images.parquet import parquet
from ihaudit.images.pictures import DICOM, damage
from ihaudit.release import FloatArray, IntArray

Role = Literal["private", "public", "similar"]
#: What to do with files of other kinds.
REMEDIES = {
    **dict.fromkeys(PACKED, "unpack it and name the folder"),
    **dict.fromkeys(
        (".pt", ".pth", ".mat", ".h5", ".hdf5", ".pkl", ".pickle", ".tfrecord", ".csv", ".safetensors", *UNREAD),
        "save its images with numpy.savez('images.npz', images=..., labels=...), uint8 or floats in [0, 1]",
    ),
    **dict.fromkeys((*SUFFIXES, *DICOM), "name the folder that it lies in, with at least one more image"),
}
#: How far floats may lie beyond [0, 1] because of rounding.
ROUNDING = 1e-4
#: Largest class number of images that are not private (the classes of private ones are numbered anew).
MAX_CLASSES = 100_000


def load(spec: str, *, role: Role, size: int = 32, bits: int | None = None) -> ImageSet:
    """Load images from where the user keeps them.

    Args:
        spec: ``embedded`` (or ``embedded:private`` etc.); an .npz (``file.npz``, or ``file.npz:KEY``) with whole
            numbers, or floats in [0, 1], of shape (N, H, W, C), (N, C, H, W) or (N, H, W), and labels beside them; an
            .npy of the same; a folder of image files (classes by subfolder; resized to `size`), of parquet files,
            or with CIFAR-10/100 "python" batches, or one such file.
        role: private images need at least two images and two classes; without any labels they are dealt into
            pseudo-classes, because schemes mix labels too.
        size: edge in pixels of images that come from files.
        bits: of images of more than 8 bits, as stated; None where they are read off the set.

    Raises:
        ImageError: one sentence that names what is wrong with the source and the remedy.
    """
    if spec == "embedded" or spec.startswith("embedded:"):
        from ihaudit.images.embedded import COUNTS, embedded

        part = spec.partition(":")[2] or role
        if part not in COUNTS:
            raise ImageError(f"there is no embedded set {part!r}; there are {', '.join(COUNTS)}")
        return embedded(part)
    name, key = _named(spec)
    try:
        path = Path(name).expanduser()
        there, directory, file = path.exists(), path.is_dir(), path.is_file()
    except (OSError, ValueError, RuntimeError) as e:  # too long, a null character, no such user
        raise ImageError(f"{spec[:200]} is no path that images can be read from ({e})") from None
    if not there:
        head, colon, key = name.rpartition(":")
        if colon and os.path.exists(head):
            raise ImageError(f"{head} holds no arrays by name, as {key!r} asks; only .npz files do: leave out ':{key}'")
        raise ImageError(f"there are no images at {name}; name an .npz file, a folder, or 'embedded'")
    if not directory and not file:
        raise ImageError(
            f"{name} is neither a file nor a folder (a pipe, a device or a socket); name an .npz or a folder"
        )
    try:
        source = _folder(path, size, bits) if directory else _file(path, key, size, bits)
    except OSError as e:  # no permission, a disk that fails, a file that went meanwhile
        raise ImageError(f"{name} cannot be read ({e}); check that it is there and may be read") from None
    return _checked(source, path.stem if file else path.name or str(path), role)


def _named(spec: str) -> tuple[str, str]:
    """A path, and the name of an array in it: ``file.npz:KEY``."""
    head, colon, key = spec.rpartition(":")
    return (head, key) if colon and head.lower().endswith(".npz") and not os.path.exists(spec) else (spec, "")


def _folder(path: Path, size: int, bits: int | None) -> Source:
    batches = _cifar_batches(path)
    if batches:
        return Source(*_cifar(batches))
    tables = sorted(p for p in path.rglob("*") if p.suffix.lower() == ".parquet" and p.is_file())
    if not tables:
        return folder(path, size, bits)
    beside = sum(p.suffix.lower() in SUFFIXES | DICOM for p in path.rglob("*"))
    source = parquet(tables, size, bits)
    also = (f"{beside} image files beside parquet files were not read",) if beside else ()
    return replace(source, notes=(*source.notes, *also))


def _file(path: Path, key: str, size: int, bits: int | None) -> Source:
    kind = path.suffix.lower()
    if kind == ".npz":
        return _npz(path, key, bits)
    if kind == ".npy":
        return _npy(path, bits)
    if kind == ".parquet":
        return parquet([path], size, bits)
    if path.name in _BATCHES:
        return Source(*_cifar([path]))
    if path.name.lower().endswith(".nii.gz"):
        kind = ".nii"
    raise ImageError(
        f"{path} is neither an .npz file nor a folder of images; {REMEDIES.get(kind, 'save its images with numpy')}"
        f"{'' if kind in REMEDIES else '.savez(images=..., labels=...), or name a folder of image files'}"
    )


def _checked(source: Source, name: str, role: Role) -> ImageSet:
    images, labels = source.images, source.labels
    if len(images) == 0:
        raise ImageError(f"{name} is empty; it must hold at least two images")
    if len(images) > MAX_IMAGES:
        raise ImageError(f"{name} holds {len(images):,} images; give at most {MAX_IMAGES:,}")
    h, w, c = images.shape[1:]
    if c not in (1, 3):
        remedy = _of_channels(images.shape)
        raise ImageError(f"{name} holds images with {c} channels; only grey (1) and colour (3) are supported{remedy}")
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
    return ImageSet(images, kinds, name, pseudo=pseudo, notes=source.notes, scale=source.scale)


def _of_channels(shape: tuple[int, ...]) -> str:
    """What to do with images of (N, H, W, C) that are neither grey nor colour."""
    n, h, w, c = shape
    if c == 4:
        return "; leave the fourth out: images[..., :3]"
    if n in (1, 3):
        return "; where the first axis is that of the channels, give images.transpose(1, 2, 3, 0)"
    if h == w == c:
        return f"; of volumes give their slices: images.reshape(-1, {w}, {c})"
    if h < w == c:
        return f"; name the ones to read, such as images[:, :{1 if h == 2 else 3}]"
    return f"; name the ones to read, such as images[..., :{1 if c == 2 else 3}]"


def _whole(labels: IntArray, n: int, name: str, most: int) -> IntArray:
    labels = np.asarray(labels)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim == 2 and len(labels) == n and _one_hot(labels):
        labels = labels.argmax(1)
    if labels.shape != (n,):
        several = "; of several for each, give the one that tells the images apart best" if labels.ndim == 2 else ""
        if labels.ndim == 2 and len(labels) == n:
            several += ", of scores or shares the largest: labels.argmax(1)"
        elif labels.ndim == 2 and labels.shape[1] == n:
            several = "; the images are the first axis: labels.T"
        raise ImageError(f"{name}: labels have shape {labels.shape}, expected ({n},), one class per image{several}")
    if labels.dtype.kind in "US":
        labels = np.unique(labels, return_inverse=True)[1]  # names of classes
    if labels.dtype.kind not in "iubf":
        raise ImageError(f"{name}: labels must be whole numbers, not {labels.dtype}")
    odd = labels[~np.isfinite(labels) | (labels != np.round(labels))] if labels.dtype.kind == "f" else labels[:0]
    if len(odd):
        raise ImageError(f"{name}: labels must be whole numbers, one of them is {odd[0]}")
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high > most:
        raise ImageError(
            f"{name}: labels lie in {low:.15g}..{high:.15g}; they must be 0 or more, and at most {most:,}: leave out "
            "images without a class, and number the classes anew with numpy.unique(labels, return_inverse=True)[1]"
        )
    return labels.astype(np.int64)


def _one_hot(labels: IntArray) -> bool:
    """Whether rows hold a single 1 each, and zeros."""
    return labels.dtype.kind in "iubf" and bool(np.isin(labels, (0, 1)).all() and (labels.sum(1) == 1).all())


# -- arrays ---------------------------------------------------------------------------------------------------------

#: Names of labels beside images of the same name, as MedMNIST and Keras store them.
_LABELS = {"images": "labels", "image": "label", "x": "y", "X": "y", "data": "targets"}


def _npz(path: Path, key: str, bits: int | None) -> Source:
    names = read_npz(path, ()).names
    if not key:
        # MedMNIST's files hold train_images, val_images and test_images
        options = [n for n in ("images", "train_images", "x_train", "X_train", "x", "X", "data") if n in names]
        key = options[0] if options else next((n for n in names if n.endswith("_images")), "")
    if not key or key not in names:
        there = ", ".join(names) or "nothing"
        wanted = key or "images"
        raise ImageError(
            f"{path.name} has no array {wanted!r} (it has: {there}); name one with {path.name}:NAME, or save with "
            "numpy.savez(images=...)"
        )
    beside = next((key.replace(a, b) for a, b in _LABELS.items() if key.replace(a, b) in names and a in key), "")
    if not beside and key in _LABELS:
        beside = next((n for n in ("labels", *_LABELS.values()) if n in names), "")
    beside = beside or "labels"
    found = read_npz(path, (key, beside)).found
    labels = found.get(beside) if beside != key else None
    used = [key] + ([beside] if labels is not None else [])
    others = [n for n in names if n not in used]
    plain = key == "images" and (beside == "labels" if labels is not None else not others)
    read = f"the arrays {' and '.join(used)} were read" if used[1:] else f"the array {key} was read"
    notes = [] if plain else [f"of {path.name} {read}"]
    if others and labels is None:
        notes[0] += f", and not {', '.join(others[:8])}; labels of images are called labels (or label, targets, y)"
    source = _array(found[key], labels, path.name, bits)
    return replace(source, notes=(*notes, *source.notes))


def _npy(path: Path, bits: int | None) -> Source:
    try:
        with path.open("rb") as f:
            version = np.lib.format.read_magic(f)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, _, dtype = read(f)
            check_promise(shape, dtype, path.stat().st_size - f.tell(), path.name)
        images = np.load(path, allow_pickle=False)
    except ImageError:
        raise
    except Exception as e:  # a damaged file can raise nearly anything
        raise ImageError(f"{path.name} cannot be read ({e}); it is damaged, or not an .npy of numbers") from None
    return _array(images, None, path.name, bits)


def _array(images: FloatArray, labels: IntArray | None, name: str, bits: int | None) -> Source:
    images = _channels_last(images, name)
    deep = images.dtype != np.uint8 or bits is not None or (images.size and int(images.max()) <= 1)
    if images.size and images.dtype.kind in "iu" and deep:
        how = scale(Extent.of(images, name), bits, name)
        return Source(how.unit(images), labels, (how.words,), how)
    return Source(_unit_range(images, name), labels)


def _channels_last(images: FloatArray, name: str) -> FloatArray:
    if images.ndim == 3:
        if images.shape[2] in (1, 3, 4):
            raise ImageError(
                f"{name}: images have shape {images.shape}, which looks like one image; give at least two, of shape "
                "(N, H, W, C)"
            )
        if images.shape[0] == images.shape[1] != images.shape[2]:
            raise ImageError(
                f"{name}: images have shape {images.shape}, with the images first or last; say which: "
                "images.transpose(2, 0, 1) where they are last, images[..., None] where they are first"
            )
        return images[..., None]
    if images.ndim != 4:
        hint = ""
        if images.ndim == 5:
            hint = "; join its first two axes with images.reshape(-1, *images.shape[2:])"
        elif images.ndim == 2:
            hint = "; flat rows say no shape: save them with images.reshape(len(images), H, W, C)"
        raise ImageError(
            f"{name}: images have shape {images.shape}, expected (N, H, W, C), (N, C, H, W) or (N, H, W){hint}"
        )
    if images.shape[3] not in (1, 3) and images.shape[1] == 4:
        raise ImageError(f"{name}: images have 4 channels; leave the fourth out: images[:, :3]")
    if images.shape[3] not in (1, 3) and images.shape[1] in (1, 3):
        return np.moveaxis(images, 1, 3)
    if images.shape[2] in (1, 3) and images.shape[3] not in (1, 3, 4):
        raise ImageError(
            f"{name}: images have shape {images.shape}, with the images last; put them first: "
            "images.transpose(3, 0, 1, 2)"
        )
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
        raise ImageError(f"{name}: images are {images.dtype}; give whole numbers, or floats in [0, 1]")
    if not np.isfinite(images).all():
        raise ImageError(f"{name}: images hold NaN or infinite values")
    low, high = float(images.min()), float(images.max())
    if low < -ROUNDING or high > 1 + ROUNDING:
        raise ImageError(f"{name}: float images lie in [{low:g}, {high:g}]; scale them to [0, 1], or save uint8")
    return np.clip(images.astype(np.float32), 0, 1)


# -- CIFAR ----------------------------------------------------------------------------------------------------------


_BATCHES = {*(f"data_batch_{i}" for i in range(1, 6)), "test_batch", "train", "test"}


def _cifar_batches(path: Path) -> list[Path]:
    """Batch files of a CIFAR "python" folder: CIFAR-10's five and test, or CIFAR-100's two; else an empty list."""
    inner = [path / n for n in ("cifar-10-batches-py", "cifar-100-python")]  # what their archives unpack to
    path = next((p for p in inner if p.is_dir()), path)
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
        ("numpy.core.numeric", "_frombuffer"),
        ("numpy._core.numeric", "_frombuffer"),
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
        except Exception as e:
            said = damage(path, e)
            raise ImageError(
                f"{path} is not a readable CIFAR 'python' batch ({type(e).__name__}: {said}); download it again"
            ) from None
        named = {k.decode("latin-1") if isinstance(k, bytes) else k: v for k, v in _entries(batch, path)}
        kind = next((k for k in ("fine_labels", "labels") if k in named), None)
        if "data" not in named or kind is None:
            there = ", ".join(str(k) for k in list(named)[:8]) or "nothing"
            raise ImageError(
                f"{path} is no CIFAR 'python' batch: it needs data and labels, and has {there}; download it again"
            )
        values = np.asarray(named["data"])
        if values.dtype.kind not in "iu" or values.ndim != 2 or values.shape[1] != 3072 or not _bytes(values):
            raise ImageError(
                f"{path}: data is {values.dtype} of shape {values.shape}, and CIFAR batches hold whole numbers in "
                "0..255 of shape (N, 3072); download it again, or save it with numpy.savez(images=..., labels=...)"
            )
        kinds = np.asarray(named[kind])
        if kinds.shape != (len(values),) or kinds.dtype.kind not in "iu":
            raise ImageError(
                f"{path}: labels are {kinds.dtype} of shape {kinds.shape}, not {len(values)} whole numbers; download "
                "it again"
            )
        images.append(values.astype(np.uint8).reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))
        labels.append(kinds.astype(np.int64))
    return np.concatenate(images).astype(np.float32) / 255, np.concatenate(labels)


def _entries(batch: Any, path: Path) -> Iterable[tuple[Any, Any]]:
    if not isinstance(batch, dict):
        raise ImageError(f"{path} holds a {type(batch).__name__}, not a CIFAR 'python' batch; download it again")
    return batch.items()


def _bytes(values: IntArray) -> bool:
    return bool(values.size == 0 or (values.min() >= 0 and values.max() <= 255))
