"""The OMNIXAN Edge operator: level-triggered on kopf, pure decisions in the middle, I/O at the rim."""
