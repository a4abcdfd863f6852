"""Singer input: lines, messages, stream maps and batch files."""
