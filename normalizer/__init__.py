"""Pure: an envelope's bytes become a draft of a record. One reader a kind, and what readers share."""
