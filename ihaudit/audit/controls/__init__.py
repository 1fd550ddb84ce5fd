"""Controls, one file each: schemes of which it is known how an audit must come out."""
