"""How a run does: its signs of life, what it died of, how long it will take, an end in time. No torch."""
