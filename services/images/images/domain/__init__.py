"""The rules of images and batches, and their SQL.

Every function takes the caller's open transaction as its first argument. No function opens or commits one,
and events are published through the outbox only. Classes that open their own transactions are outside, such
as `images.queue_estimator`.
"""
