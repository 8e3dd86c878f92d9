"""The panel of a run: live cards in the notebook, and the static page they leave behind."""
