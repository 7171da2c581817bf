"""This program as files: what of it goes to another machine, and what it needs there."""
