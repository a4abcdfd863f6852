"""Singer tap for CommCare Connect."""
