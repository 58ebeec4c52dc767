"""Pure: a draft and the office's rules become a decision."""
