"""Image formats and the structure of their files: one table, and one walk for each format.

The package decodes no pixel, and needs only the standard library; `jpeg_pixels` alone lets Pillow decode.
"""
