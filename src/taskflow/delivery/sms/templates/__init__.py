"""Templates as they are registered in India (DLT)."""
