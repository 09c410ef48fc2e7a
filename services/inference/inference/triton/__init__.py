"""Talks to NVIDIA Triton: sends tiles, notices what is broken, and repairs what it can.

In this package `model` is Triton's word for what Loupe calls a network.
"""
