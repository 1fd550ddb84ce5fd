"""`ihaudit score`: the InstaHide Challenge's four metrics."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ihaudit.cli._common import say


def command(
    decryption: Annotated[
        Path, typer.Argument(help="decryption.npy: one recovered image per encoding, on [-1, 1], [0, 1] or [0, 255].")
    ],
    private: Annotated[Path, typer.Option(help="private.npy: the private images, on [-1, 1], [0, 1] or [0, 255].")],
    pairs: Annotated[Path, typer.Option(help="pairs.npy: int (E, 2), the private images in each row, -1 for none.")],
) -> None:
    """Print the challenge's metrics as JSON: max_ssim, mean_ssim, min_l2, mean_l2.

    Means over encodings of the larger and the mean SSIM (scikit-image's defaults on [-1, 1], data range 2) and of the
    smaller and the mean squared error, against each encoding's two private images.

    `ihaudit challenge` writes decryption.npy; private.npy and pairs.npy here are the truth, not that command's guesses
    of the same name.
    """
    import json

    from ihaudit.challenge import load_npy, ranges, score

    guess, truth = load_npy(decryption, mmap=True), load_npy(private, mmap=True)
    result = score(guess, truth, load_npy(pairs))
    for name, extent in ranges(guess, truth).items():
        if extent.low != -1:
            typer.echo(f"{name} was read as images in {extent.words}, and brought to [-1, 1]", err=True)
    say(json.dumps(result))
