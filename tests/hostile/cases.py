"""The suite: scheme files by kind, each with the parameters that make it one case, and what must come of it.

``python -m tests.hostile.examine FILE:NAME=VALUE`` shows one of them.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """One scheme: its file under ``schemes``, its parameter, and whether it leaks.

    Attributes:
        attacks: the attacks that are tried.
        exits: the exit codes that are right where these are others than 1 for a leak and 0 for none.
        sample: it is of the few that every run of the tests looks at.
    """

    file: str
    name: str
    value: str
    leaks: bool = True
    attacks: tuple[str, ...] = ("everything",)
    exits: tuple[int, ...] = ()
    sample: bool = False

    @property
    def right(self) -> tuple[int, ...]:
        return self.exits or ((1,) if self.leaks else (0,))

    @property
    def id(self) -> str:
        return f"{self.file}-{self.value}"


def _cases(file: str, name: str, values: str, *, sample: str = "", **fields: object) -> list[Case]:
    shown = sample.split()
    return [Case(file, name, v, sample=v in shown, **fields) for v in values.split()]  # type: ignore[arg-type]


#: Images under a fixed map, one row each: `linear` takes care of most.
MAPS = _cases(
    "maps",
    "how",
    "transposed halves-turned negated shuffled shuffled-flat pad pad-bytes pad-shuffled cosines cosines-blocks "
    "spectrum bits scaled tiny wrong-range wrong-range-small beside-noise below-noise channels-noise woven-noise "
    "differences sums table product orthogonal swirled powers strips planes volumes",
    attacks=("everything", "as-released", "linear"),
)
#: Several rows to an image, or rows that are no pictures.
ROWS = _cases(
    "maps",
    "how",
    "bits-first bits-flat packed shares shares-stated shares-apart shares-apart-stated shares-modulo shares-bytes "
    "shares-three noise-rows halves-rows shares-shuffled noise-rows-shuffled noise-rows-stated call-shuffled "
    "call-shuffled-floats rows-cosines rows-orthogonal rows-sums rows-differences rows-differences-last "
    "turned-by-label turned-by-value shifted-by-label shifted-by-value",
    sample="shares-bytes bits-first call-shuffled rows-orthogonal",
)
#: Images in what stands around the pixels.
WRAPPED = _cases(
    "wrapping",
    "where",
    "mantissa64 mantissa64-middle mantissa64-few mantissa32 mantissa32-nibble mantissa32-scrambled mantissa32-bit "
    "subnormals64 subnormals32 zero-signs half-floats extra-scrambled extra-scrambled-places extra-shuffled "
    "extra-shuffled-all "
    "extra-table extra-zlib extra-bz2 extra-lzma extra-zlib-floats extra-zlib-scrambled extra-int64 extra-int64-large "
    "extra-float-bytes extra-one-more extra-one-more-flat extra-one-more-scrambled extra-parts extra-pixels-first "
    "extra-projected extra-key extra-key-sum labels-bits labels-columns labels-columns-bytes labels-shades",
    sample="mantissa32-scrambled zero-signs extra-table extra-zlib extra-key",
)
#: Images in shares, differences and files.
SHARED = _cases(
    "shares",
    "how",
    "halves halves-shuffled halves-modulo halves-rows-shuffled signs larger parity extras mantissa order differences "
    "pad-by-place pad-by-label pad-of-few seed-beside two-pixels own-byte own-key places-beside-values filtered sheet "
    "files files-joined",
    sample="halves-shuffled files-joined pad-by-place",
)
#: Images written down otherwise.
RECODED = _cases(
    "recoded",
    "how",
    "wavelets wavelets-shuffled pyramid zigzag gray-code bits-reversed bits-across nibbles-apart gamma float-bits "
    "rgb-packed bgr-big-endian planes-turned residues residues-three residues-shuffled magnitudes-angles "
    "magnitudes-angles-grey differences-under-xor differences-in-table xor-neighbours-shuffled dithered-shuffled "
    "dithered-four error-diffusion chained-table feistel keyed-stream hex-rows decimal-rows lzw-rows run-lengths "
    "factors projections polar woven-batch one-row backwards next-row rows-shuffled rows-shuffled-negated "
    "rows-shuffled-under-pad rows-shuffled-cosines rows-shuffled-beside rows-sorted-under-pad rows-sorted larger "
    "turned-anew shifted-anew colours-anew negated-anew quadrants-anew tables-anew multiplied-anew noise-little "
    "signs-of-pixels signs-centred six-shares six-shares-modulo eight-shares-bytes noisy-copies "
    "noisy-copies-shuffled dithered-copies lines-as-rows repeated-rows bits-as-rows pad-of-call key-of-call "
    "order-of-call table-of-call matrix-of-call signs-of-call order-of-rows one-of-few-keys one-of-few-orders "
    "palette rows-matrix-bytes rows-xor-next rows-xor-all shifted-under-pad palette-of-call",
    attacks=("marks", "everything", "linear"),
    sample="keyed-stream six-shares",
)
#: Images in labels and arrays in forms that no list names.
BESIDE = _cases(
    "beside",
    "where",
    "labels-digits labels-decimal labels-order labels-blocks labels-softmax labels-many labels-rotated "
    "labels-encrypted sums moments features features-deep signs-of-projections stream-by-row stream-by-call "
    "chained-stream hashes-of-pixels lines points points-shuffled points-in-one bright-places ranks gaps "
    "gaps-of-call events events-shuffled text text-hex text-codes varints "
    "files-encrypted nonce-in-bytes distances "
    "mean-and-rest weights noise-low noise-scaled noise-signs noise-sorted noise-parity noise-spread noise-count "
    "noise-order",
    attacks=("marks", "everything", "linear"),
    sample="labels-digits events",
)
#: Images in arrays of a call that are nothing one by one.
OF_CALL = _cases(
    "of_call",
    "how",
    "basis basis-reordered components-as-encodings factors codebook codebook-as-encodings encodings-as-codebook "
    "encodings-as-few palette exclusive-or "
    "exclusive-or-as-encodings steps steps-modulo",
    sample="exclusive-or-as-encodings",
)
#: What hides everything in most calls only.
BEHAVING = _cases(
    "behaving",
    "when",
    "many few one odd later much-later first seed file no-file environment night date weekend one-class",
    attacks=("everything", "linear"),
    sample="few night",
)
MINDING = _cases(
    "minding",
    "what",
    "fifth module-calls tens many-hundreds last-rows first-row chance user cached beside-the-code hour seconds classes "
    "sorted bright whites low-seed public",
    attacks=("marks", "linear"),
    sample="user",
)
#: What decides by where it runs: its text says so, and no verdict is given.
PLACED = _cases(
    "placed",
    "by",
    "processors uptime zone threads argv host modules frames",
    exits=(3,),
    attacks=("marks",),
    sample="zone",
)
#: What gives nothing away.
HONEST = _cases(
    "honest",
    "how",
    "doubles halves classes nonces pad-elsewhere packed-noise smoothed-labels mixed-labels two-rows one-share "
    "range-of-noise label-vectors zeros",
    leaks=False,
    attacks=("marks", "everything"),
    sample="one-share nonces",
)
#: The same arrays filled with noise.
OF_CALL_HONEST = _cases("of_call", "how", "noise-factors noise-basis noise-codebook noise-steps", leaks=False)
CASES = [
    *(*MAPS, *ROWS, *WRAPPED, *SHARED, *RECODED, *BESIDE, *OF_CALL, *BEHAVING, *MINDING, *PLACED, *HONEST),
    *OF_CALL_HONEST,
]
