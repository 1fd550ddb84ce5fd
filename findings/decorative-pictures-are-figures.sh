#!/usr/bin/env bash
# weasyprint: alt="" and aria-hidden take nothing out of a tagged PDF.
#
# Believed: a picture with alt="" is decoration and becomes an artifact, as browsers and screen readers treat it; text
#   with aria-hidden="true" is not read.
# Seen (WeasyPrint 70.0 with the system's Pango, pypdf 7.1.0, Python 3.11, Linux x86-64; pdf_variant="pdf/ua-1"): the
#   picture is a Figure without alternate text, the same as one whose alt was forgotten; the hidden text is a
#   paragraph. Of an svg, the title element is the alternate text, and aria-label is not used.
# Output seen:
#   figures: alt="a face" 'a face'   alt="" None   no alt None   svg with title and aria-label 'from title'
#   paragraphs tagged: 2 of 2, of which aria-hidden 1
# Why it matters: reports of an image audit are full of thumbnails, half of them decoration. PDF/UA,
#   which the file declares, wants a text for every figure; neither way of HTML takes one out.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile weasyprint==70.0 pypdf==7.1.0
"$work/venv/bin/python" - <<'PY'
import base64
import io
import struct
import zlib

import pypdf
import weasyprint


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
png += chunk(b"IDAT", zlib.compress(b"\0\x80")) + chunk(b"IEND", b"")
source = "data:image/png;base64," + base64.b64encode(png).decode()
html = f'''<html lang="en"><head><title>Report</title></head><body>
<p>read</p><p aria-hidden="true">hidden</p>
<img src="{source}" alt="a face"><img src="{source}" alt=""><img src="{source}">
<svg width="9" height="9" role="img" aria-label="from label"><title>from title</title><rect width="5" height="5"/></svg>
</body></html>'''
pdf = pypdf.PdfReader(io.BytesIO(weasyprint.HTML(string=html).write_pdf(pdf_variant="pdf/ua-1")))
figures, paragraphs = [], 0


def walk(node):
    global paragraphs
    node = node.get_object()
    if isinstance(node, list):
        for child in node:
            walk(child)
    elif isinstance(node, dict):
        if node.get("/S") == "/Figure":
            figures.append(node.get("/Alt"))
        paragraphs += node.get("/S") == "/P"
        if "/K" in node:
            walk(node["/K"])


walk(pdf.trailer["/Root"]["/StructTreeRoot"])
print("alternate texts of the figures:", figures, " paragraphs:", paragraphs)
assert figures == ["a face", None, None, "from title"] and paragraphs == 2, "behaviour has changed"
PY
