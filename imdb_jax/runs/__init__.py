"""Run directories: one run from config to results, and many runs."""
