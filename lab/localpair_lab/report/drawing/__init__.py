"""The network of a plan as a picture: what stands in each box, where the boxes stand, and SVG of it."""
