"""Measures models on suites of tasks: what a right answer costs, and how often a wrong one claims success."""
