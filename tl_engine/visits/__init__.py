"""Who was here and when: last seen, deleting by age, carrying what one has to another device. No Gradio, no torch."""
