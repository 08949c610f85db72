"""What a person sees of a run: words, summary, charts, samples, checkpoints. Draws nothing by itself."""
