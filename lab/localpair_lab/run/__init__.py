"""One play from beginning to end: processes, actions, timed changes, and the load of the machine."""
