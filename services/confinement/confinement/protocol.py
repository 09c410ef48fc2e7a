"""The protocol between a process and its confined child.

First the child sends its report of walls. Then a request is a token, a length with an option, and that many
bytes. The child repeats the token when it has all of them. Then it answers with a header and what the header
announces, and repeats the token again. Reports and headers are JSON after their length.
"""

import struct

LENGTH = struct.Struct(">Q")
REQUEST = struct.Struct(">QB")
"""The length of the file, and a number from 0 to 255 whose meaning the program decides."""
TOKEN_BYTES = 16
"""The parent sends a random token before each file, and the child repeats it after its answer. If a file
made the child write too much, the rest cannot be taken for the answer to the next file.
"""
HEADER_BYTES = 64 << 10
"""The longest header that the parent reads."""
