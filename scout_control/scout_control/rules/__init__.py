"""Pure functions: no database, network, process or clock. The current time is an argument."""
