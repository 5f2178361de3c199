"""Training: epochs over data in a reproducible random order, one update per batch."""
