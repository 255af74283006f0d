"""Autoscaling: how many workers a queue wants (`advice`), and how many processes a node (`scaler`)."""
