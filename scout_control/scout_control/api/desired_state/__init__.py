"""Projects as code: what files describe, compared with what there is, and made so."""
