"""One mapping table for each attribute dialect; ``spanwise_collector.ingest.normalise`` applies them."""
