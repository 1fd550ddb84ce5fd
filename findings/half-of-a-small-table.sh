#!/usr/bin/env bash
# DuckDB: a sample of 50 % of a table of 1000 rows has no rows or all of them.
#
# Believed: `USING SAMPLE 50%` takes each row with probability one half, or about half of them.
# Seen (duckdb 2.0.1, Python 3.11, Linux x86-64): a percentage alone means that blocks of 2048 rows are taken or left
#   whole, so that a smaller table is taken or left as one (documented, under "system" sampling). Of a table that has
#   ten blocks, whole ones come. `USING SAMPLE 50% (bernoulli)` and `USING SAMPLE 500` do what one would think.
# Output seen (numbers of rows in 200 samples, least and most and how many different):
#   50% 0, 1000, 2   for example bernoulli 460, 540, 64   500 rows 500, 500, 1
# Why it matters: a sample is drawn to see what an attack finds, or as the sampling that a privacy accountant counts on.
#   Here every second sample is the whole release, and the other is empty: rows that stand together are sampled
#   together.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --no-compile duckdb==2.0.1
cd "$work"
"$work/venv/bin/python" - <<'PY'
import duckdb

base = duckdb.connect()
base.execute("create table pictures as select range as i from range(1000)")
base.execute("create table more as select range as i from range(20480)")


def sizes(sample, table="pictures", times=200):
    return [base.execute(f"select count(*) from {table} using sample {sample}").fetchone()[0] for _ in range(times)]


system, bernoulli, rows = sizes("50%"), sizes("50% (bernoulli)"), sizes("500")
blocks = sizes("50%", "more", 50)
for name, found in (("50%", system), ("bernoulli", bernoulli), ("500 rows", rows)):
    print(name, min(found), max(found), len(set(found)))
print("20480 rows", sorted(set(blocks)))
assert set(system) == {0, 1000} and set(rows) == {500}, "behaviour has changed"
assert min(bernoulli) > 400 and max(bernoulli) < 600, "behaviour has changed"
assert all(found % 2048 == 0 for found in blocks) and len(set(blocks)) > 2, "behaviour has changed"
PY
