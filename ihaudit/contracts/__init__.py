"""What others implement and are handed, one file each; the kinds of `ihaudit.registry` with their decorators.

Everything here is a Protocol or a small frozen dataclass that names every attribute that is read anywhere.  It imports
the nouns at the root of the package, and nothing above.
"""
