"""What may happen to an image, and when. Every function takes the caller's open transaction first."""
