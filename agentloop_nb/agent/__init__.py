"""Run the loop: decide, execute, observe, update; and what it needs to decide (prompt, budget, approval)."""
