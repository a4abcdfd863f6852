"""The public Python interface, for programs that embed Scout."""
