"""Archives and reports of batches, made while they are read."""
