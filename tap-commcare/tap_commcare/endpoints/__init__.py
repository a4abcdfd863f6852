"""The responses of HQ's endpoints, and how they are converted to records."""
