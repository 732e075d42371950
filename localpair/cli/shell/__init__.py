"""What shells and manuals read: the tree of commands, completions, the manual page."""
