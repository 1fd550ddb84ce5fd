"""Who is who: rows of a release against candidates, by statistics that no key changes, then under the very key."""
