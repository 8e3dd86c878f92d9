"""The notebook edge: everything that knows IPython, ipykernel or widgets."""
