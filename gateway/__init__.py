"""The composition root: wiring, supervisor, command line, metrics, alerts."""
