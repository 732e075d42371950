"""The engine of containers: a Docker Compose project and the fabric in it."""
