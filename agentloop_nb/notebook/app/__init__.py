"""The app: a page for people who do not read code."""
