"""Rules: pure functions. No database, network, process or clock in here; time is an argument."""
