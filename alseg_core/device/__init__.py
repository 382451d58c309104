"""Work on one device: prefetched batches, captured steps, precision and memory."""
