"""The description of the API: /openapi.json, and the page at /docs."""
