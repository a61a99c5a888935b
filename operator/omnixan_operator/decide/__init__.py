"""Pure policies: observations in, decisions out, with the clock as an argument. No I/O."""
