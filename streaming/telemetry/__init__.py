"""Numbers of a running stream for Prometheus: from the stream's events, over HTTP."""
