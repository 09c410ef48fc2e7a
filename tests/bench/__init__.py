"""What Loupe costs, as ratios taken in one run: machines differ and are shared."""
