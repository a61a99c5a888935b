"""The parts of `python -m e2e.bench pool`."""
