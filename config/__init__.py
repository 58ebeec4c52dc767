"""YAML becomes settings; everyone's settings composed."""
