"""The commands of ``vsmnp``, one file each."""
