"""One reader a kind; each module has `read(source) -> Draft`."""
