"""Describes how images, batches and events look to clients.

The gateway answers requests with these objects, and webhooks carry them. The library turns what images
returns into them, and asks no service.
"""
