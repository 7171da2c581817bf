"""The Hugging Face hub: the card of a classifier, pushing it and loading it, and Spaces of this program."""
