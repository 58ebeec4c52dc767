"""The way in: doors and fetch loops, acceptance, and the processing of envelopes into records."""
