"""`localpair listen` as a service: how each platform writes it down, and who starts it there."""
