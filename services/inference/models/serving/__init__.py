"""Prepares models to be served: their configurations, and the TensorRT engines for the GPU of this machine.

It uses plain Python 3.10 and nothing else, because it runs in NVIDIA's Triton container.
"""
