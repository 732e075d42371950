"""What each command takes: its help, its options and their values. Light: ``--help`` imports nothing else."""
