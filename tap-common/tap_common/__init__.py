"""What both taps share: HTTP client, auth, rate limits, state, columns and command line."""
