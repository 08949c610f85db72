"""Base models: which there are, which are on this machine, whether they are whole, and how they come here."""
