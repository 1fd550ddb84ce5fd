#!/usr/bin/env bash
# weasyprint: scope="row" and scope="col" leave no Scope in a tagged PDF.
#
# Believed: a header cell that says in HTML what it heads says so in PDF/UA, by the attribute Scope of its TH.
# Seen (WeasyPrint 70.0 with the system's Pango, pypdf 7.1.0, Python 3.11, Linux x86-64; pdf_variant="pdf/ua-1"): TH has an
#   ID and no Scope. The cells name their headers instead (Headers), of which scope="row" decides the side; a TH
#   names none of its own, so that the header of a row is not said to stand under that of its column.
# Why it matters: the tables of an audit are its evidence. Checkers that look for Scope (pdfua 0.1.3, rule UA-15-003, one
#   warning for each table) take them for tables without headers; a finisher of ten lines adds it.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile weasyprint==70.0 pypdf==7.1.0
"$work/venv/bin/python" - <<'PY'
import io

import pypdf
import weasyprint

html = """<html lang="en"><head><title>Report</title></head><body><table>
<thead><tr><th scope="col">attack</th><th scope="col">SSIM</th></tr></thead>
<tbody><tr><th scope="row">unmix</th><td>0.996</td></tr></tbody></table></body></html>"""
pdf = pypdf.PdfReader(io.BytesIO(weasyprint.HTML(string=html).write_pdf(pdf_variant="pdf/ua-1")))
heads, cells = [], []


def walk(node):
    node = node.get_object()
    if isinstance(node, list):
        for child in node:
            walk(child)
    elif isinstance(node, dict):
        attributes = node["/A"].get_object() if "/A" in node else {}
        if node.get("/S") == "/TH":
            heads.append((attributes.get("/Scope"), "/Headers" in attributes, "/ID" in node))
        if node.get("/S") == "/TD":
            cells.append(len(attributes.get("/Headers", [])))
        if "/K" in node:
            walk(node["/K"])


walk(pdf.trailer["/Root"]["/StructTreeRoot"])
print("header cells (scope, has headers, has id):", heads, " headers of the cell:", cells)
assert heads == [(None, False, True)] * 3 and cells == [2], "behaviour has changed"
PY
