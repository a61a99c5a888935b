"""`make soak`: what takes too long for `make test`, part by part; see __main__."""
