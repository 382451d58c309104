"""How work runs on one device: batches that are there when they are needed, steps that are captured once."""
