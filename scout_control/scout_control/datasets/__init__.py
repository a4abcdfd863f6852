"""Dataset schemas: provisioning, reading, dropping, purging."""
