"""What of an encoding does not depend on its key: statistics that many kinds of keys leave alone, and how to use them.

`statistics` computes them, by group; `evidence` learns from encodings of known images under several keys how much a
group says of whose encoding it is, and turns it into log odds; `fusion` weighs the groups.  Games (one row at a time)
and the attack `match` (whole calls) share them.
"""
