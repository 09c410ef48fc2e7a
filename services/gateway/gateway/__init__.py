"""The REST API of Loupe.

`http` is HTTP itself, `identity` checks callers, `routes` are the resources, `openapi` describes them.
`services` and `backend` connect them to the services behind the gateway.
"""
