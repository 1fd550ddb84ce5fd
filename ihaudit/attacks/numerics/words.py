"""Words that attacks on scrambled pictures share."""

from __future__ import annotations


def up_to(ambiguity: tuple[str, ...]) -> str:
    """What pictures are recovered up to, in words that end a sentence; empty for nothing."""
    words = {"mirror": "all together mirrored", "turn": "all together turned or mirrored", "negative": "all negatives"}
    if not ambiguity:
        return ""
    return f"; the pictures are recovered, but may be {' and '.join(words[a] for a in ambiguity)}"
