"""Checks of an uploaded file before it is accepted. Other packages call only `sniff.sniff`."""
