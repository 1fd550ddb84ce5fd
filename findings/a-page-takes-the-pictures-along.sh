#!/usr/bin/env bash
# WeasyPrint and pypdf: a PDF of the first page alone holds the pictures of all pages.
#
# Believed: a page that pypdf takes out of a report, by `add_page`, brings what it shows.
# Seen (weasyprint 70.0, pypdf 7.1.1, pillow 13.0.0, numpy 2.4.6, Python 3.11, Linux x86-64): WeasyPrint gives all pages
#   one common list of pictures and fonts, and pypdf copies a page with its list. `append(file, pages=(0, 1))`, and `del
#   writer.pages[1]`, do the same. `page.images` of the first page lists the pictures of the second before any cut.
# Output seen (report of two pages, the picture on the second; pixels of the picture that the file of page one gives
#   back):
#   add_page 1.0   append 1.0   del pages[1] 1.0
# Why it matters: page one of a report is the summary that is passed on; the annexes with private pictures and their
#   reconstructions are to stay. Whoever has the one page has the pictures.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile weasyprint==70.0 pypdf==7.1.1 pillow==13.0.0 numpy==2.4.6
cd "$work"
"$work/venv/bin/python" - <<'PY'
import base64
import io

import numpy as np
import weasyprint
from PIL import Image
from pypdf import PdfReader, PdfWriter

pixels = np.random.default_rng(0).integers(0, 256, (28, 28, 3), dtype=np.uint8)
file = io.BytesIO()
Image.fromarray(pixels).save(file, "PNG")
uri = "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
html = f'<p>Summary</p><div style="break-before: page"><img src="{uri}"></div>'
weasyprint.HTML(string=html).write_pdf("report.pdf")
assert len(PdfReader("report.pdf").pages) == 2

writers = {"add_page": PdfWriter(), "append": PdfWriter(), "del pages[1]": PdfWriter(clone_from="report.pdf")}
writers["add_page"].add_page(PdfReader("report.pdf").pages[0])
writers["append"].append("report.pdf", pages=(0, 1))
del writers["del pages[1]"].pages[1]
seen = {}
for name, writer in writers.items():
    writer.write("one.pdf")
    (page,) = PdfReader("one.pdf").pages
    assert page.extract_text().strip() == "Summary"
    pictures = [np.asarray(image.image.convert("RGB")) for image in page.images]
    seen[name] = max((float((p == pixels).mean()) for p in pictures if p.shape == pixels.shape), default=0.0)
print(seen)
assert list(seen.values()) == [1.0, 1.0, 1.0], "behaviour has changed"
PY
