"""What computes: models, preprocessing, the hardware, features and their cache. The first floor with torch."""
