"""The rules for users, tokens and signing keys.

Every function that reads or writes the database takes the caller's open transaction first, and never commits.
"""
