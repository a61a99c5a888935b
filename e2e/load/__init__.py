"""Load: thousands of objects on a real API server, the real operator under them, the nodes played by a simulator."""
