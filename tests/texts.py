"""Texts of the contract that several tests expect, word for word."""

NOT_AN_IMAGE = "The image must be a file of type: jpeg, png, webp, bmp, tiff, gif, avif, jxl, heic."
