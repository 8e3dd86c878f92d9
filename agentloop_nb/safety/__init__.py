"""Guard rails: secrets, text from strangers, and what code touches. SECURITY.md says what they promise."""
