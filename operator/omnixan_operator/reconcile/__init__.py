"""Observe, decide, apply, one status write if it differs: one file a kind."""
