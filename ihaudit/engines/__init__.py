"""Engines: where the points of a sweep run; one file each, under `ihaudit.contracts.engine.engine`."""
