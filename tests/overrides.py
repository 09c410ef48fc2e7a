"""The settings that the whole system runs with under test."""

SHORT_TIMES = {
    "IMAGES_WORKER_SILENT_SECONDS": "2",
    "IMAGES_SWEEP_SECONDS": "1",
    "IMAGES_LOST_AFTER_SECONDS": "2",
    "INFERENCE_ACK_WAIT_SECONDS": "3",
    "INFERENCE_HEARTBEAT_SECONDS": "0.5",
    "OUTBOUND_FETCH_SECONDS": "5",
    "OUTBOUND_ANSWER_SECONDS": "5",
    "OUTBOUND_LEASE_SECONDS": "15",
}
"""Shorter times than in production, so that tests wait less."""
MANY_REQUESTS = {
    "GATEWAY_UNAUTHENTICATED_REQUESTS_PER_HOUR": "1000000",
    "AUTH_GUESSES_PER_ADDRESS": "0",
}
"""All tests send their requests from one address, which must not reach its hourly limit."""
QUOTAS = {"BILLING_PLANS_FILE": ""}
"""The plans that come with Loupe. A local Loupe has them without monthly quotas."""
LARGEST_SHOWN_PIXELS = 3_000_000
SMALL_PYRAMIDS = {"INFERENCE_LARGEST_SHOWN_PIXELS": str(LARGEST_SHOWN_PIXELS)}
"""Pictures that a test makes in a second are large enough for a pyramid."""
OVERRIDES = SHORT_TIMES | MANY_REQUESTS | QUOTAS | SMALL_PYRAMIDS
