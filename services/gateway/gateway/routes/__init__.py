"""The REST API, one module for each resource.

A route takes typed parameters, makes one call in the caller's name, and builds one answer. The `Operation`
above it holds everything that /openapi.json says about it.
"""
