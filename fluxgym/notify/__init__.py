"""Tells people what became of a run, through any service that Apprise knows: one URL a service, each a secret."""
