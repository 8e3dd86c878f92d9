"""One SELECT over variables, files or a connection: read-only by the engine, bounded, and stopped at once."""
