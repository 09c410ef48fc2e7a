"""Who calls, what they may do, and how often: tokens, access checks and hourly limits."""
