"""What is wrong with the data before any training: duplicates, doubtful labels, advice, remedies. No torch."""
