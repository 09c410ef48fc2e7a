"""What an update of the API must not break: clients that were made for the last release."""
