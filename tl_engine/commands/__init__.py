"""The terminal, a module a command: its row in the parser and what it does. No torch until a command computes."""
