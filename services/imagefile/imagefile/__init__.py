"""Image formats and the structure of their files: one table, and one walk for each format.

The package needs only the standard library, and it decodes no pixel.
"""
