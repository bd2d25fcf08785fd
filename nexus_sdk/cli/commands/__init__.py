"""The commands, a file per family."""
