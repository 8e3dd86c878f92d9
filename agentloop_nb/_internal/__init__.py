"""Shared helpers without a subject of their own: text, files, paths, the platform."""
