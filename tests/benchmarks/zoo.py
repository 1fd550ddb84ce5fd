"""Audits the held-out schemes of tests/zoo: ``python -m tests.benchmarks.zoo [NAME ...] [--jobs 2] [--seed 5]``.

Nobody tunes an attack on these files.  Each is audited as its author would, ``ihaudit run FILE`` in the quick profile,
on real images of one of three shapes, or grey ones of 100 classes.  Schemes under ``leaking`` must end with exit code
1, those under ``tight`` with 0; the command exits with 1 where one does not.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from skimage.transform import resize

from tests.data import load_images

ZOO = Path(__file__).resolve().parents[1] / "zoo"
#: images of each shape: source and edge; grey where there is one channel
SOURCES = {
    "32x32x3": ("cifar10_eval", 32, 3),
    "28x28x1": ("mednist", 28, 1),
    "28x28x1 of 100 classes": ("cifar100_eval", 28, 1),
    "64x64x3": ("celeba_eval", 64, 3),
}
#: the images of schemes that are not audited on 32x32x3
SHAPES = {
    "bit_planes": "28x28x1",
    "blocks_shuffled": "64x64x3",
    "cipher_bytes": "64x64x3",
    "cipher_tokens": "28x28x1",
    "codebook": "28x28x1",
    "cosine_sieve": "28x28x1",
    "feistel": "28x28x1",
    "hadamard": "28x28x1",
    "heavy_noise": "28x28x1 of 100 classes",
    "hill": "28x28x1",
    "negative_turned": "64x64x3",
    "nibbles": "28x28x1",
    "noise_tokens": "28x28x1",
    "noisy": "64x64x3",
    "noisy_histogram": "28x28x1",
    "patch_network": "64x64x3",
    "place_signs": "64x64x3",
    "renamed": "28x28x1",
    "rows_rolled": "28x28x1",
    "sorted_values": "28x28x1",
    "squashed_latent": "28x28x1",
    "stream_bytes": "28x28x1",
    "table_per_pixel": "28x28x1",
    "tokens_shuffled": "28x28x1",
    "xor_stream": "64x64x3",
}


@dataclass(frozen=True)
class Row:
    """One audit: what had to come out, what did, in which time, and the first line of its report."""

    name: str
    shape: str
    wanted: int
    got: int
    wall_s: float
    by: str
    says: str

    def line(self) -> str:
        """A row of the table."""
        held = "" if self.got == self.wanted else " **wrong**"
        cells = [self.name, self.shape, self.wanted, f"{self.got}{held}", f"{self.wall_s:.0f}", self.by, self.says]
        return f"| {' | '.join(map(str, cells))} |"


def files(names: list[str]) -> list[Path]:
    """The scheme files asked for, or all."""
    found = sorted(ZOO.glob("*/*.py"))
    return [f for f in found if not names or f.stem in names]


@contextmanager
def image_files(count: int) -> Iterator[dict[str, Path]]:
    """The images of each shape as .npz files in a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="zoo-") as folder:
        made = {}
        for shape, (source, edge, channels) in SOURCES.items():
            images, labels = load_images(source)
            some = np.random.default_rng(0).permutation(len(images))[:count]
            pictures = images[some].mean(axis=3, keepdims=True) if channels == 1 else images[some]
            out = np.stack([resize(p, (edge, edge, channels), anti_aliasing=False) for p in pictures])
            arrays = {"images": np.round(out * 255).astype(np.uint8)} | (
                {"labels": labels[some]} if labels.any() else {}
            )
            made[shape] = Path(folder) / f"{source}-{edge}.npz"
            np.savez(made[shape], allow_pickle=False, **arrays)
        yield made


def audit(file: Path, images: dict[str, Path], out: Path, n: int, seed: int, more: list[str]) -> Row:
    """Run one audit as a user would."""
    shape = SHAPES.get(file.stem, "32x32x3")
    folder = out / file.stem
    command = [sys.executable, "-m", "ihaudit", "run", str(file), "--private", str(images[shape])]
    command += ["--n-private", str(n), "--seed", str(seed), "--out", str(folder), "--format", "html", *more]
    began = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wall = time.perf_counter() - began
    wanted = 1 if file.parent.name == "leaking" else 0
    by, says = "", (done.stderr.strip().splitlines() or [""])[-1]
    if (folder / "results.json").exists():
        results = json.loads((folder / "results.json").read_text())
        kinds = ("attack", "game")
        broke = [f["id"] for f in results["findings"] if f["kind"] in kinds and f["status"] == "broken"]
        by = ", ".join(broke)
        says = results["gate"].get("reason") or results["gate"].get("sentence") or results["gate"]["status"]
    return Row(file.stem, shape, wanted, done.returncode, wall, by, says.replace("|", "/")[:300])


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--n", type=int, default=60, help="private images")
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=2, help="audits at a time")
    parser.add_argument("--out", type=Path, help="keep the reports here")
    parser.add_argument("--more", nargs=argparse.REMAINDER, default=[], help="further options of ihaudit run")
    a = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with tempfile.TemporaryDirectory(prefix="zoo-reports-") as kept, image_files(2500) as images:
        out = a.out or Path(kept)
        print("| scheme | images | must exit | exits | wall s | broken by | says |\n" + "|---" * 7 + "|", flush=True)
        wrong = 0
        with ThreadPoolExecutor(a.jobs) as pool:
            for row in pool.map(lambda f: audit(f, images, out, a.n, a.seed, a.more), files(a.names)):
                print(row.line(), flush=True)
                wrong += row.got != row.wanted
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"\n{wrong} wrong; {used.ru_utime + used.ru_stime:.0f} CPU seconds")
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
