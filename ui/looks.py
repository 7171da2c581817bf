"""Colours and fonts. Every text has a contrast of 4.5 : 1 or more to what is behind it, in light and in dark."""

from pathlib import Path

import gradio as gr

# Fonts of the system: the page asks no other host for anything.
FONTS = ["system-ui", "Segoe UI", "Roboto", "Noto Sans", "sans-serif"]
THEME = gr.themes.Default(
    primary_hue="teal", neutral_hue="slate", font=FONTS, font_mono=["ui-monospace", "Consolas", "monospace"]
).set(
    color_accent="*primary_700",
    link_text_color="*primary_700",
    link_text_color_dark="*primary_300",
    body_text_color_subdued="*neutral_600",
    body_text_color_subdued_dark="*neutral_300",
    block_info_text_color="*neutral_600",
    block_info_text_color_dark="*neutral_300",
    block_label_text_color="*neutral_700",
    block_label_text_color_dark="*neutral_200",
    block_title_text_color="*neutral_800",
    block_title_text_color_dark="*neutral_100",
    input_placeholder_color="*neutral_500",
    input_placeholder_color_dark="*neutral_400",
    button_primary_background_fill="*primary_700",
    button_primary_background_fill_dark="*primary_700",
    button_primary_background_fill_hover="*primary_800",
    button_primary_background_fill_hover_dark="*primary_800",
    button_primary_text_color="white",
    button_cancel_background_fill="#b91c1c",
    button_cancel_background_fill_dark="#b91c1c",
    button_cancel_background_fill_hover="#991b1b",
    button_cancel_background_fill_hover_dark="#991b1b",
    button_cancel_text_color="white",
    button_cancel_text_color_dark="white",
)
CSS = (Path(__file__).parent / "page.css").read_text(encoding="utf-8")
