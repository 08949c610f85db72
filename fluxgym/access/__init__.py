"""Who may see what: the owner by a key, a visitor by a link to one run, nobody else."""
