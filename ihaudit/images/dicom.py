"""DICOM files, through pydicom (the extra ``ihaudit[dicom]``)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

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
        data = pydicom.dcmread(path)
        pixels = np.asarray(data.pixel_array, np.float32)
        slope, intercept = float(getattr(data, "RescaleSlope", 1)), float(getattr(data, "RescaleIntercept", 0))
        inverted = str(getattr(data, "PhotometricInterpretation", "")) == "MONOCHROME1"
        stored = int(getattr(data, "BitsStored", 0))
        signed = int(getattr(data, "PixelRepresentation", 0)) == 1
    except Exception as e:  # pydicom raises many kinds for damaged files and missing decoders
        raise ImageError(f"the DICOM file {path} cannot be read ({e}); remove it or convert it to PNG") from None
    if pixels.ndim != 2:
        raise ImageError(
            f"the DICOM file {path} holds an array of shape {pixels.shape}, not one grey picture; convert it to PNG"
        )
    if not (slope and np.isfinite([slope, intercept]).all()):
        raise ImageError(
            f"the DICOM file {path} states the rescale slope {slope:g} and intercept {intercept:g}; correct or "
            "remove it"
        )
    if inverted:  # the least value becomes the largest
        pixels = (-1.0 if signed else 2.0**stored - 1 if stored else float(pixels.max())) - pixels
    found = pixels * slope + intercept
    whole = slope == round(slope) and intercept == round(intercept)
    return found.astype(np.int64) if whole else found.astype(np.float32)
