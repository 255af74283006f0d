"""What becomes of uncertain messages under the policy `reconcile`: their providers are asked."""
