"""What a teacher sees and does in a lesson, and what pupils see of it."""
