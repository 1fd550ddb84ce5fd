"""The labels of a release in the form that attacks read: weights of classes."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

import numpy as np

from ihaudit.attacks.numerics.label_forms import Unread, read_forms
from ihaudit.attacks.numerics.labels import MOST
from ihaudit.audit.subject import Subject
from ihaudit.results import Finding

S = TypeVar("S", bound=Subject)


def in_read_labels(subject: S) -> tuple[S, Finding | None]:
    """The subject with labels as weights of classes, and in which form they were found; as it is where they are that,
    or are of no form that is read."""
    labels = subject.release.labels
    if labels is None or not labels.size or not np.isfinite(labels).all() or float(labels.min()) < 0:
        return subject, None
    if int((labels > 0).sum(1).max()) > MOST:  # features or noise; attacks do not read them
        return subject, None
    try:
        read = read_forms(labels)
    except Unread:
        return subject, None
    if not read.form or np.array_equal(read.weights, labels):
        return subject, None
    finding = Finding(
        id="checks-labels",
        kind="check",
        title="Check: labels",
        status="measured",
        sentence=f"The released labels were read as {read.form}.",
        reference="design: what an audit assumes is said",
        details={"flags": [f"The released labels were read as {read.form}."]},
    )
    return replace(subject, release=replace(subject.release, labels=read.weights)), finding
