"""What tests share beyond fixtures: waiting, databases, processes."""
