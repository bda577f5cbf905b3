"""Pages about runs: charts, mistakes, comparisons."""
