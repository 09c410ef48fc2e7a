"""Talks to NVIDIA Triton: sends tiles, notices what is broken, and repairs what it can."""
