"""What the lab's containers are made of: the image, its base, the base project, and how to get an engine."""
