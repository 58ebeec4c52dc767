"""The nouns and the failures of Forebay: values without I/O, imported by every other room."""
