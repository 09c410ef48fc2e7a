"""What may happen to images and batches, and when.

Every function takes the caller's open transaction as its first argument. None opens or commits one, and
events go out through the outbox only. Classes that open their own transactions are outside, such as
`images.queue_estimator`.
"""
