"""Models: the OpenAI-compatible wire, Anthropic's own, replay, and what they need (schema, prices)."""
