"""Test rigs: one a kind, with the far side it talks to, and the tools that tests lend to connectors."""
