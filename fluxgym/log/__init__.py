"""training.log turned into meaning: tail, follow, dialects, history, failures. Standard library only."""
