"""Run the whole of Loupe on one machine.

The servers come from wheels, listen on free ports of 127.0.0.1, and run under one supervisor.
"""
