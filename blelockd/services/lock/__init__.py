"""What the lock is for."""
