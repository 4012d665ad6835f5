"""Settings of a run: fields, admissible values, presets of the paper, TOML text."""
