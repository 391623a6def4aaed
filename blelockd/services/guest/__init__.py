"""What the guest is for."""
