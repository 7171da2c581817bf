"""The Hugging Face hub: the card of a classifier, pushing it and loading it, Spaces, and trainings on its machines."""
