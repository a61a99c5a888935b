"""What can happen to a leader, to nodes and to a release while jobs run: scenarios do it once, the soak again and again."""
