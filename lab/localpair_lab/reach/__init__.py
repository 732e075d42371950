"""The oracle's reckoning: packets walked over a plan by rules alone, without any engine."""
