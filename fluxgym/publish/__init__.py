"""What becomes of a run when it is done: a model on the Hugging Face Hub, or one zip."""
