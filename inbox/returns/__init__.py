"""What comes back from destinations: agents' answers, notes, states, merges, splits and deletions."""
