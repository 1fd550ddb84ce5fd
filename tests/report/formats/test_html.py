"""The HTML report: complete, well-formed, self-contained, and no one else's text gets out of its place."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tinyhtml5

from ihaudit.contracts.format import Source
from ihaudit.report import front, render, words
from ihaudit.report.contents import contents
from ihaudit.report.formats import html
from ihaudit.report.sections import gallery
from ihaudit.results import Finding, Gate, Results, read_arrays, read_results, write_results
from ihaudit.stats import Estimate
from tests.report import synthetic

AUDIT_SECTIONS = [
    "verdict",
    "actions",
    "claims",
    "gallery",
    "attacks",
    "games",
    "controls",
    "limits",
    "words",
    "scheme",
    "attack_cards",
    "game_cards",
    "more_pictures",
    "control_parts",
    "notrun",
    "reproduce",
    "log",
    "glossary",
]
VOID = {"meta", "img", "br", "hr", "link", "input", "col"}


class _Balance(HTMLParser):
    """Every element that is opened is closed, in order."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.attributes: list[tuple[str, str, str | None]] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, k, v) for k, v in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-1:]}"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.texts.append(data)


def parse(page: str) -> _Balance:
    parser = _Balance()
    parser.feed(page)
    parser.close()
    assert not parser.open
    return parser


@pytest.fixture(scope="module")
def page() -> str:
    return html.render(Source(synthetic.results(), synthetic.arrays()))


def test_is_well_formed(page: str) -> None:
    parse(page)
    tree = tinyhtml5.parse(page, namespace_html_elements=False)
    assert tree.tag == "html" and tree.get("lang") == "en"
    ids = [e.get("id") for e in tree.iter() if e.get("id")]
    assert len(ids) == len(set(ids))
    targets = {e.get("href", "")[1:] for e in tree.iter("a")}
    assert targets <= set(ids)


def test_sections_stand_in_order(page: str) -> None:
    found = re.findall(r'<h2 id="(\w+)"', page)
    assert found == AUDIT_SECTIONS
    assert re.findall(r'<span class="num">(\w+)</span>', page) == [*"123456789", *"ABCDEFGHI"]
    assert page.count("<details class=") == 9 and "<details open" not in page


def test_prose_refers_to_sections_by_their_true_numbers(page: str) -> None:
    text = " ".join(" ".join(parse(page).texts).split())
    numbers = {e.id: e.label for e in contents(synthetic.results())}
    assert f"those shown in section {numbers['gallery']}. Later attacks" in text
    assert f"listed in annex {numbers['scheme']}, and an audit" in text
    assert f"The seven questions of section {numbers['limits']}." in text
    assert f"Marginal statistics stand in section {numbers['games']} too" in text
    assert f"adversaries who know more than annex {numbers['scheme']} says" in text


def test_the_report_of_a_challenge_has_its_own_sections() -> None:
    results = synthetic.results()
    results.options = {"kind": "challenge", "answer_by": "carlini", "files": ["decryption.npy"]}
    results.claims = []
    results.gate = Gate(status="inconclusive", exit_code=3, statistic="", bound=None, reasons=["no truth"])
    attack = results.finding("carlini")
    assert attack is not None
    attack.details |= {"images": 40, "confidence_is": "its own estimate"}
    images = synthetic.arrays()["private/images"]
    arrays = {
        "carlini/candidates": images,
        "carlini/candidate_index": np.arange(40),
        "carlini/confidence": np.linspace(1, 0, 40),
    }
    page = html.render(Source(results, arrays))
    text = " ".join(parse(page).texts)
    assert re.findall(r'<h2 id="(\w+)"', page) == [
        "challenge_verdict",
        "challenge_gallery",
        "challenge_release",
        "challenge_attacks",
        "challenge_limits",
        "notrun",
        "reproduce",
        "glossary",
    ]
    assert "most confident" in text and "section ()" not in text and "listed in section 3, and" in text
    assert "The seven questions.)" in text


def test_sample_of_an_earlier_version_still_renders() -> None:
    folder = Path(__file__).parents[3] / "reports" / "sample-instahide"
    text = " ".join(parse(html.render(Source(read_results(folder)))).texts)
    assert "strongest attack (which answered 99 of 100): 0.997 [0.996, 0.998] · bound 0.500" in text
    assert "must stay below 5.0\u00a0points" in text


def test_has_no_script_and_loads_nothing(page: str) -> None:
    parsed = parse(page)
    tags = {tag for tag, _, _ in parsed.attributes}
    assert not tags & {"script", "iframe", "object", "embed", "link", "form", "base", "svg"}
    for tag, name, value in parsed.attributes:
        assert not name.startswith("on"), (tag, name)
        if name in ("src", "srcset", "data", "poster", "background", "action"):
            assert value and value.startswith(("data:image/png;base64,", "data:image/svg+xml;base64,"))
        if name == "href":
            assert value and value.startswith("#")
        assert name != "style"
    css = "".join(re.findall(r"<style.*?</style>", page, re.DOTALL))
    assert "url(" not in css and "@import" not in css


def test_other_peoples_text_is_only_text(page: str) -> None:
    assert "<script" not in page.lower() and "onerror=alert(1)>" not in page
    assert "&lt;script&gt;alert(" in page
    text = "".join(parse(page).texts)
    assert '<script>alert("docstring")</script>' in text
    assert "{{ 7 * 7 }}" in text and "49 bidi" not in text
    assert "\u202e" not in page and "\x1b" not in page and "\x07" not in page
    assert "“ümläut” 漢字 λ₁" in text


def test_is_accessible(page: str) -> None:
    tree = tinyhtml5.parse(page, namespace_html_elements=False)
    assert all((e.get("alt") or "").strip() for e in tree.iter("img"))
    for table in tree.iter("table"):
        assert list(table.iter("th")), "a table without headers"
        assert all(e.get("scope") in ("col", "row") for e in table.iter("th"))
    levels = [int(e.tag[1]) for e in tree.iter() if e.tag in ("h1", "h2", "h3", "h4")]
    assert levels[0] == 1 and all(b - a <= 1 for a, b in itertools.pairwise(levels))


def test_every_status_has_its_word_and_no_other(page: str) -> None:
    text = " ".join(parse(page).texts).lower()
    for word in ("broken", "no break found", "inconclusive", "not run"):
        assert word in text
    # The title of a paper, and the option that a remedy names.
    text = text.replace("is private learning possible", "").replace("rng=secure", "")
    # The words that an audit may never use for an outcome.
    assert not re.search(r"\b(passed|secure|safe|unbroken)\b", text)
    assert not re.search(r"(is|are|proven|shown to be) private\b", text)


def test_contrast_of_text_colours() -> None:
    css = (html.templates_folder() / "report.css").read_text()

    def luminance(hex_: str) -> float:
        c = [int(hex_[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        r, g, b = [x / 12.92 if x <= 0.03928 else ((x + 0.055) / 1.055) ** 2.4 for x in c]
        return 0.2126 * r + 0.7152 * g + 0.0722 * b

    dark = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", css.split("prefers-color-scheme: dark")[1]))
    for colours in (dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", css.split("@media")[0])), dark):
        _legible(colours, luminance)


def _legible(colours: dict[str, str], luminance: Callable[[str], float]) -> None:
    for ink in ("ink", "soft", "faint", "accent", "red", "amber", "blue", "grey"):
        for ground in ("paper", "wash", "red-wash", "amber-wash", "blue-wash", "grey-wash"):
            a, b = sorted((luminance(colours[ink]), luminance(colours[ground])), reverse=True)
            assert (a + 0.05) / (b + 0.05) >= 4.5, (ink, ground)


def test_verdict_comes_first_and_names_statistic_bound_and_attack(page: str) -> None:
    text = " ".join(" ".join(parse(page).texts).split())
    first = text[text.index("Broken") : text.index("In plain words")]
    for part in ("90 % quantile of SSIM", "0.830 [0.790, 0.860]", "bound 0.500", "40 images", "profile quick"):
        assert part in first
    assert "strongest attack: carlini" in first
    assert text.index("Broken") < text.index("Contents")


def test_gallery_shows_best_median_and_worst_by_score() -> None:
    source = Source(synthetic.results(), synthetic.arrays())
    main = gallery.build(source)["main"]
    scores = synthetic.arrays()["carlini/ssim"]
    order = np.argsort(-scores, kind="stable")
    assert [r.index for r in main.rows] == [order[0], order[19], order[-1]]
    assert [r.which for r in main.rows] == ["best", "median", "worst"]
    six = front.front(source).pictures
    assert [p.index for p in six] == [*order[:2], *order[19:21], *order[-2:]]
    assert [p.score for p in six] == [words.scaled(float(scores[p.index])) for p in six]
    assert main.columns == ["Original", "An encoding of it", "|Encoding|", "Reconstruction"]


@pytest.mark.parametrize(
    "drop",
    [("private", "release", "carlini", "cluster-mean", "prng-seedless"), ("private",), ("release",), ("carlini",)],
)
def test_renders_without_arrays(drop: tuple[str, ...]) -> None:
    kept = {k: v for k, v in synthetic.arrays(n=8).items() if not k.startswith(drop)}
    page = html.render(Source(synthetic.results(8), kept))
    parse(page)
    assert re.findall(r'<h2 id="(\w+)"', page) == AUDIT_SECTIONS


def test_no_samples_keeps_every_picture_of_private_images_out() -> None:
    arrays = synthetic.arrays()
    source = Source(synthetic.results(), arrays, samples=False)
    page = html.render(source)
    assert "data:image/png" not in page
    assert page.count("--no-samples") >= 2 and front.front(source).pictures == []
    assert "data:image/svg+xml" in page  # the histogram shows scores, not images


@pytest.mark.parametrize(("n", "channels", "size"), [(1, 3, 32), (2, 1, 32), (5, 1, 28), (12, 3, 200)])
def test_galleries_of_few_grey_and_large_images(n: int, channels: int, size: int) -> None:
    arrays = synthetic.arrays(n, channels, 32)
    if size != 32:
        arrays = {
            k: v.repeat(size // 28, 1).repeat(size // 28, 2)[:, :size, :size] if v.ndim == 4 else v
            for k, v in arrays.items()
        }
    source = Source(synthetic.results(n), arrays)
    main = gallery.build(source)["main"]
    assert len(main.rows) == min(n, 3) and all(p.startswith("data:image/png") for r in main.rows for p in r.pictures)
    assert len(html.render(source)) < 3_000_000


def columns(arrays: dict[str, np.ndarray]) -> list[str]:
    results = synthetic.results(10)
    attack = results.finding("carlini")
    assert attack is not None
    built = gallery.reconstructions(Source(results, arrays), attack, 1)
    assert built is not None
    return built.columns


def test_the_column_of_encodings_says_what_it_shows() -> None:
    arrays = synthetic.arrays(10)
    arrays["release/encodings"] = np.zeros((10, 77), np.float32)
    assert columns(arrays) == ["Original", "An encoding of it, as a heat map", "Reconstruction"]
    arrays["release/encodings"] = np.random.default_rng(0).random((10, 32, 32, 3)).astype(np.float32)
    assert columns(arrays) == ["Original", "An encoding of it", "Reconstruction"]
    arrays["release/index"] = np.full(10, -1)
    assert columns(arrays) == ["Original", "An encoding", "Reconstruction"]


def test_nan_scores_and_constant_images_do_not_stop_it() -> None:
    arrays = synthetic.arrays(12)
    arrays["carlini/ssim"] = np.full(12, np.nan)
    arrays["release/encodings"] = np.full((12, 32, 32, 3), np.nan, np.float32)
    arrays["private/images"] = np.zeros((12, 32, 32, 3), np.uint8)
    parse(html.render(Source(synthetic.results(12), arrays)))


def minimal() -> Results:
    full = synthetic.results()
    return Results(
        name="x",
        profile="quick",
        seed=0,
        scheme=full.scheme.model_copy(update={"doc": "", "log": "", "parameters": {}, "security_parameter": None}),
        adversary=["encodings"],
        gate=Gate(status="inconclusive", exit_code=3, statistic="", bound=None, reasons=["no attack ran"]),
        environment=full.environment.model_copy(update={"command": "", "ssim": {}, "finished": ""}),
    )


def test_empty_audit_has_every_section() -> None:
    page = html.render(Source(minimal()))
    parse(page)
    assert re.findall(r'<h2 id="(\w+)"', page) == AUDIT_SECTIONS
    text = " ".join(parse(page).texts)
    assert "Inconclusive" in text and "No conclusion may be drawn" in text
    assert "makes no claim that could be refuted" in text
    assert text.count("not examined") >= 4


def broken_details() -> Iterator[dict[str, Any]]:
    yield {"table": "no table", "tables": [], "curves": {"a": 3}, "notes": 7, "roc": {"fpr": [1], "tpr": []}}
    yield {"table": {"columns": [], "rows": []}, "floor": "high", "epsilon": {"lower": "x"}, "essay": ["x"]}
    yield {"table": {"columns": ["a"], "rows": [[1, 2], []]}, "tables": {"t": {"columns": ["a"], "rows": "x"}}}
    yield {
        "curves": {"c": {"x": [1, None], "y": ["a", 2]}},
        "floor": {"value": None},
        "epsilon": {"lower": {"value": None}},
    }
    yield {
        "curves": {"$x$": {"x": [0, 1], "y": [0, -1], "log": True}},
        "roc": {"fpr": [0, 0], "tpr": [0, 0]},
        "notes": [None],
    }


@pytest.mark.parametrize("details", list(broken_details()))
def test_malformed_details_are_left_out(details: dict[str, Any]) -> None:
    results = minimal()
    results.findings = [Finding(id="g", kind="game", title="G", status="broken", details=details)]
    parse(html.render(Source(results)))


def test_what_no_gate_rests_on_is_named_all_the_same() -> None:
    results = synthetic.results()
    results.claims = []
    results.gate = Gate(
        status="met", exit_code=0, statistic="90 % quantile of SSIM", bound=0.5, measured=Estimate(0.2, 0.1, 0.3, 40)
    )
    text = " ".join(parse(html.render(Source(results))).texts)
    assert "Gate met, but broken" in text
    assert "Came out broken, though no gate rests on it" in text and "that is not the whole story" in text


def test_same_results_give_the_same_bytes_wherever_they_are_read(tmp_path: Path) -> None:
    results, arrays = synthetic.results(), synthetic.arrays()
    direct = html.render(Source(results, arrays))
    write_results(tmp_path, results, arrays)
    [path] = render(read_results(tmp_path), read_arrays(tmp_path), tmp_path, ("html",))
    assert path.read_text(encoding="utf-8") == direct


def test_is_small() -> None:
    page = html.render(Source(synthetic.results(100), synthetic.arrays(100)))
    assert len(page.encode()) < 3_000_000


def test_what_must_not_be_broken_stays_on_one_line() -> None:
    """A rule for the cells of a table is stronger than `nowrap`, unless it leaves those out."""
    css = (html.templates_folder() / "report.css").read_text()
    for rule, _ in re.findall(r"([^{}]+)\{([^{}]*white-space: normal[^{}]*)\}", css):
        assert ":not(.nowrap)" in rule, rule
    assert "table.strip .hint { max-width" in css
