"""The way out: claim, send, settle, the retry decision, and the rules for automatic messages."""
