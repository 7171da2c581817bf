"""A classifier out of this machine: exports that provably agree with the app, a page of their own, the Hub, Spaces."""
