"""Everything that touches Meltano: its project file, its processes and its log."""
