"""From the bytes of a stranger's file to pixels, in a child process with limits."""
