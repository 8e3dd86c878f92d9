"""What steps change in the namespace: noticing it, keeping copies, taking it back."""
