"""What `python app.py` needs besides the page: who may reach it, where, and what it looks after meanwhile."""
