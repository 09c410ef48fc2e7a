"""The rules for webhooks and their deliveries.

Every function that reads or writes the database takes the caller's open transaction first, and never commits.
"""
