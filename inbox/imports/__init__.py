"""Files of history: tables, JSON Lines and archives of mail become envelopes of a channel."""
