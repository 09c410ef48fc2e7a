"""What may happen to subscriptions and quotas. Every function takes the caller's open transaction first."""
