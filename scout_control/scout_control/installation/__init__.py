"""One installation: settings, encryption keys, initialisation, and the embedded Postgres."""
