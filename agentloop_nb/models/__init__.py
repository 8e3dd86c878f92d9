"""Models: the OpenAI-compatible wire, replay, and what they need (schema, prices)."""
