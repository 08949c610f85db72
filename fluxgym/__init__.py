"""Everything about runs that is not learning: start, supervise, read and show them. Never imports torch."""
