"""Read a record and report on it: cost, lineage, requests, comparisons."""
