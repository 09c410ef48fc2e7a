"""Builds the model repository from published weights, and checks each graph against the original network."""
