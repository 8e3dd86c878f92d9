"""Runs on the engines of an ipyparallel cluster that somebody started: finding it, its wire, and its far end."""
