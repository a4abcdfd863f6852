"""What single endpoints of Connect answer, and the records it becomes."""
