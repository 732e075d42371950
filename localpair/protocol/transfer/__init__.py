"""A transfer without its connection: the half that sends, the half that receives, and names of files."""
