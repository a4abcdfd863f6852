"""What each endpoint of HQ answers, and the records it becomes."""
