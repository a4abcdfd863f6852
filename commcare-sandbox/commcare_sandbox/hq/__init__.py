"""The CommCare HQ half of the sandbox."""
