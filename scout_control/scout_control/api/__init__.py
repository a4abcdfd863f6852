"""The public Python interface: what the commands do, for programs that embed Scout."""
