"""Settings of a run: fields, valid values, presets of the paper, TOML text."""
