"""Fast2SMS, for India: texts under DLT templates."""
