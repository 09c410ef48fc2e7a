"""Decodes the bytes of an untrusted file to pixels, in a child process with limits."""
