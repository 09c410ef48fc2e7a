"""Walls around a process that reads files of strangers.

The process starts, loads its libraries, and confines itself before it gets the first file. From then on it
computes and answers, and reaches no file, no network and no other process. It is assumed to be compromised,
so the parent checks each answer. The library uses the standard library only.
"""
