"""Learned actions: what worked in a run becomes a function that later runs of its folder may call."""
