"""A training on the machines of Hugging Face Jobs: what goes there, following it, what comes home."""
