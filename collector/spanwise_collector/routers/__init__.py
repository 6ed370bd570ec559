"""HTTP routes: parse, one call of the store, render."""
