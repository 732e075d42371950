"""What the topology lets through, reckoned from the plan alone: which ways lead from one device to the other."""
