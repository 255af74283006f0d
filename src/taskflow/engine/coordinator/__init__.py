"""The coordinator: whoever leads runs the duties, one file each; the others stand by."""
