"""Reference pages out of the code: reasons, events, conditions, metrics; and where their runbooks are."""
