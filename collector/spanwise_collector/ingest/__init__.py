"""From OTLP bytes to canonical spans: decode, normalise, price, scrub, and commit in groups."""
