"""Group-based contrastive learning of the slice metric (Vepa et al., NeurIPS 2024, section 3)."""
