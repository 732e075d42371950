"""From a plan to the fabric's steps."""
