"""Estimated against measured success of circuits on recorded devices, and placement by it."""
