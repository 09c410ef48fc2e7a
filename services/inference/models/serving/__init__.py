"""How models are served: their configurations, and the TensorRT engines for the GPU at hand.

Plain Python 3.10 and nothing else, for it runs in NVIDIA's Triton container.
"""
