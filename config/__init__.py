"""YAML into settings: reads the file, composes everyone's settings, and names every mistake with its line."""
