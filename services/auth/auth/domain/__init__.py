"""What may happen to users, tokens and keys. Every function takes the caller's open transaction first."""
