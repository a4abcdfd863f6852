"""One installation: settings, encryption keys, setup and the embedded Postgres."""
