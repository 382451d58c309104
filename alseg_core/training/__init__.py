"""Training of segmentation networks, and what trained ones predict."""
