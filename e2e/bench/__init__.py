"""`make bench`: figures with their JSON and tables, written to docs/figures."""
