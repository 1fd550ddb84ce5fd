"""What `ihaudit.audit` hands back: results.json as an object, with figures and tables for a notebook."""

from __future__ import annotations

import html
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray
from pydantic import PrivateAttr

from ihaudit.contracts.format import Source
from ihaudit.errors import UsageError
from ihaudit.registry import suggest
from ihaudit.report import charts, known_pairs, plots, render, words
from ihaudit.results import Results, write_results
from ihaudit.verdict import headline
from ihaudit.verdict.gates import EVENTS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Figures by name, and what they show.
FIGURES = {
    "ssim": "SSIM of every private image under every attack, with trivial guesses and bounds",
    "cost": "what each attack cost and reached",
    "advantage": "advantage in each game, with its interval",
    "roc": "ROC curves of the games",
    "known-pairs": "SSIM against the number of known records",
}


class AuditResults(Results):
    """`Results` of an audit that is at hand, with its arrays.

    Attributes besides those of `Results`:
        arrays: arrays.npz by name: reconstructions and scores per image.
        folder: where results and reports were written, or None.
    """

    _arrays: dict[str, NDArray[Any]] = PrivateAttr(default_factory=dict)
    _folder: Path | None = PrivateAttr(default=None)

    @classmethod
    def of(cls, results: Results, arrays: Mapping[str, NDArray[Any]], folder: Path | None = None) -> AuditResults:
        """From results and arrays as read."""
        found = cls(**{name: getattr(results, name) for name in Results.model_fields})
        found._arrays, found._folder = dict(arrays), folder
        return found

    @property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """See the class."""
        return self._arrays

    @property
    def folder(self) -> Path | None:
        """See the class."""
        return self._folder

    def records(self) -> list[dict[str, Any]]:
        """One row for each metric of each finding, for a table: numbers are numbers, None where not measured.

        Columns: finding, kind, title, status, metric, value, low, high, n, cpu_s, reason; findings without a metric
        have one row with metric None.
        """
        rows = []
        for f in self.findings:
            head = {"finding": f.id, "kind": f.kind, "title": f.title, "status": f.status}
            tail = {"cpu_s": f.cost.cpu_s, "reason": f.reason or None}
            for name, e in f.metrics.items():
                rows.append(head | {"metric": name, "value": e.value, "low": e.low, "high": e.high, "n": e.n} | tail)
            if not f.metrics:
                rows.append(head | dict.fromkeys(("metric", "value", "low", "high", "n")) | tail)
        return rows

    def to_frame(self) -> Any:
        """`records` as a pandas DataFrame.

        Raises:
            UsageError: pandas is not installed.
        """
        try:
            import pandas
        except ImportError:
            raise UsageError("to_frame() needs pandas: pip install pandas; records() gives the same rows") from None
        return pandas.DataFrame(self.records())

    def figure(self, name: str = "ssim") -> Axes:
        """A figure of the report as matplotlib axes; ``.figure`` of it is the whole.

        Args:
            name: one of `FIGURES`.

        Raises:
            UsageError: there is no such figure, or this audit measured nothing that it shows.
        """
        if name not in FIGURES:
            raise UsageError(f"there is no figure {name!r}{suggest(name, FIGURES)}")
        source = Source(self, self._arrays)
        games = [f for f in self.of_kind("game") if f.status != "not run"]
        with plots.drawn_on() as figures:
            if name == "ssim":
                charts.distributions(source)
            elif name == "cost":
                charts.cost_against_ssim(self)
            elif name == "known-pairs":
                known_pairs.bought(self)
            else:
                charts.of_games(games)
        labels = {"advantage": "advantage", "roc": "false alarms"}
        found = [f.axes[0] for f in figures if labels.get(name, "") in f.axes[0].get_xlabel()]
        if not found:
            raise UsageError(f"this audit measured nothing that the figure {name!r} shows ({FIGURES[name]})")
        return found[0]

    def save(self, folder: str | Path, formats: tuple[str, ...] = ("html",), *, samples: bool = True) -> list[Path]:
        """Write results.json, arrays.npz and reports; ``samples=False`` keeps private images out of all of them."""
        folder = Path(folder)
        arrays = self._arrays if samples else {k: a for k, a in self._arrays.items() if a.ndim < 3}
        write_results(folder, self, arrays)
        return render(self, arrays, folder, formats, samples=samples)

    def _repr_html_(self) -> str:
        """What a notebook shows: verdict, claims, and what came out broken; no images, no script."""
        e = html.escape
        rows = [
            (c.text, words.estimate(c.measured, words.gate_unit(c.quantity)), words.CLAIM_WORD[c.status])
            for c in self.claims
        ]
        rows += [
            (
                c.statistic,
                "happened" if c.name in EVENTS else words.estimate(c.measured, words.gate_unit(c.name)),
                words.CHECK_WORD[c.met],
            )
            for c in self.gate.checks
        ]
        body = "".join("<tr>" + "".join(f"<td>{e(x)}</td>" for x in row) + "</tr>" for row in rows)
        broken = [f.id for f in self.findings if f.status == "broken" and f.kind != "control"]
        warned = headline.warning(self)
        parts = [
            f"<h4>{e(self.name)}: {e(headline.outcome(self.gate))}</h4>",
            f"<p><b>{e(warned)}</b></p>" if warned else "",
            f"<p>{e(self.gate.sentence)}</p>",
            f"<table><tr><th>claim or gate</th><th>measured</th><th>came out</th></tr>{body}</table>",
            f"<p>broken: {e(', '.join(broken)) or 'nothing'}</p>",
            "<p><small>An audit can refute a claim; it can never prove privacy.</small></p>",
        ]
        return "".join(parts)
