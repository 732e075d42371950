"""Why no pair came about: facts of one side, or of both, in; causes and notes out. Pure, as all that decides is."""
