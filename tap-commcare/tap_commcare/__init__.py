"""Singer tap for CommCare HQ."""
