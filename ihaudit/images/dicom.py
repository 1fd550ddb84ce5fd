"""DICOM files, through pydicom (the extra ``ihaudit[dicom]``)."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ihaudit.errors import ImageError
from ihaudit.release import FloatArray


def values(path: Path) -> FloatArray:
    """The picture in a DICOM file, float32 (H, W): rescaled as its header says (Hounsfield units), bright is bright.

    Raises:
        ImageError: pydicom is not installed, or the file holds no single grey picture.
    """
    try:
        import pydicom
    except ImportError:
        raise ImageError(
            f"{path.name} is a DICOM file; reading it needs pydicom: install ihaudit[dicom], or convert it to PNG"
        ) from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            data = pydicom.dcmread(path)
            pixels = np.asarray(data.pixel_array)
        kind = str(data.get("PhotometricInterpretation") or "MONOCHROME2")
        slope, intercept = (float(v) for v in (_number(data, "RescaleSlope", 1), _number(data, "RescaleIntercept", 0)))
        inverted = kind == "MONOCHROME1" or data.get("PresentationLUTShape") == "INVERSE"
        stored, top = int(_number(data, "BitsStored", 0)), int(_number(data, "HighBit", -1))
        signed = int(_number(data, "PixelRepresentation", 0)) == 1
        padding = data.get("PixelPaddingValue")
        if data.get("ModalityLUTSequence"):
            pixels = _looked_up(pixels, data)
    except Exception as e:  # pydicom raises many kinds for damaged files and missing decoders
        raise ImageError(f"the DICOM file {path} cannot be read ({e}); remove it or convert it to PNG") from None
    if pixels.ndim != 2:
        raise ImageError(
            f"the DICOM file {path} holds an array of shape {pixels.shape}, not one grey picture; convert it to PNG"
        )
    if not kind.startswith("MONOCHROME"):
        raise ImageError(f"the DICOM file {path} holds {kind}, not one grey picture; convert it to PNG")
    if stored and top >= 0 and top != stored - 1:
        raise ImageError(
            f"the DICOM file {path} states {stored} stored bits of which the highest is {top}, which is not read; "
            "convert it to PNG"
        )
    if not (slope and np.isfinite([slope, intercept]).all()):
        raise ImageError(
            f"the DICOM file {path} states the rescale slope {slope:g} and intercept {intercept:g}; correct or "
            "remove it"
        )
    pixels = pixels.astype(np.int64) if pixels.dtype.kind in "iu" else pixels.astype(np.float32)
    pad = pixels == padding if isinstance(padding, (int, float)) else np.zeros(pixels.shape, bool)
    if pad.any() and not pad.all():  # outside the scan: as dark as what is darkest in it
        pixels[pad] = pixels[~pad].max() if inverted else pixels[~pad].min()
    if inverted:  # the least value becomes the largest
        whole = pixels.dtype.kind == "i" and stored
        pixels = (-1 if signed else 2**stored - 1 if whole else pixels.max()) - pixels
    if slope == round(slope) and intercept == round(intercept) and pixels.dtype.kind == "i":
        return pixels * int(slope) + int(intercept)
    return (pixels * slope + intercept).astype(np.float32)


def _number(data: Any, name: str, otherwise: float) -> Any:
    """An element of the header, or what it means where it is missing or empty."""
    found = data.get(name)
    return otherwise if found is None or found == "" else found


def _looked_up(pixels: NDArray[Any], data: Any) -> NDArray[Any]:
    """Stored numbers as their table (Modality LUT) states them."""
    from pydicom.pixels import apply_modality_lut

    return np.asarray(apply_modality_lut(pixels, data))
