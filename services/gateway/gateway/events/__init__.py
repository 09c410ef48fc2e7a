"""What happens to images and batches, as this gateway hears of it, and everybody who waits for it."""
