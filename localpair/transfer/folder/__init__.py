"""The folder that receives: part files, safe names that replace nothing, and what is left over."""
