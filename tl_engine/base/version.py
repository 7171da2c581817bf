"""The version of this program, in this one place; whatever it writes names it."""

VERSION = "0.2.0"
