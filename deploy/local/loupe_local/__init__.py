"""The whole of Loupe on one machine: servers from wheels, on free ports of 127.0.0.1 under one supervisor."""
