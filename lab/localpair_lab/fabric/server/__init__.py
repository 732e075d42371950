"""The fabric's processes: what owns, builds and serves the network of one play."""
