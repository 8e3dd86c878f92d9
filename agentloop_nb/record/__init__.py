"""Write and read the record of a run: one event per line, and what is kept beside it."""
