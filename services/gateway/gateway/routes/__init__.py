"""The REST API, cut by resource. A route takes typed parameters, makes one call, builds one answer."""
