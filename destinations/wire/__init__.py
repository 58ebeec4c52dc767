"""What several kinds of destination share: the life of a ticket, its settings, and calls with JSON."""
