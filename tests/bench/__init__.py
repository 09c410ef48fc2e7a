"""Measures what Loupe costs. Most figures are ratios from one run, because machines differ and are shared."""
