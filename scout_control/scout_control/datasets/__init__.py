"""Dataset schemas: provisioned, granted, queried, counted, dropped."""
