"""What is known about a training before it begins: what it needs, how long it will take, and what would stop it."""
