"""Work done elsewhere than where it was asked: a process of its own, a GPU that is lent, Hugging Face's machines."""
