"""Reading opportunity by opportunity: bookmarks, resuming, what changed since the last run."""
