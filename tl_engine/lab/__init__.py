"""The textbooks as one press: trials of backbones and strategies side by side, and what came of them."""
