"""What is checked about an uploaded file before it is accepted; `sniff.sniff` is the only way in."""
