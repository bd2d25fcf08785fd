"""One file per kind of operation: what the user builds, and the node it becomes when it runs."""
