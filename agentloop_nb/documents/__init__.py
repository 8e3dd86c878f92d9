"""Documents as text, for a model: an outline first, then parts by number. Each file is read in a child process."""
