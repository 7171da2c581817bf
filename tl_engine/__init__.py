"""A transfer-learning engine: labelled photos in, an image classifier out. Importing it never imports torch."""

import os

# Page, training and other programs share the cores. OpenMP's waiting threads spin by default, and then a training
# beside any other work took 34 s instead of 19 s (2 cores; alone the two are equal). Read when torch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
