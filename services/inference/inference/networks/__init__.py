"""The networks at Triton: what they are, which one an image takes, and which answers are credible."""
