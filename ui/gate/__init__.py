"""Before anything reaches Gradio: who asks, whether they may, and how much of it. Starlette only; no torch."""
