"""Runs a picture through a network tile by tile, without seams."""
