"""Builds the Triton model repository from published weights."""
