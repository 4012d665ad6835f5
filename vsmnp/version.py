"""The version of vsmnp, for whatever needs it and may not import the package itself."""

VERSION = "0.1.0"
