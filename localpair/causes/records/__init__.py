"""Records of facts: how they are made, put into bytes and texts, masked, and read again."""
