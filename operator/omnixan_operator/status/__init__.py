"""Pure: conditions and statuses out of observations. No I/O, no clock of its own."""
