"""Every fault of a server, and what tap-commcare-connect does about it."""
