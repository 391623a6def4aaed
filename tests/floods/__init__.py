"""What floods and faults cost, in figures: `make floods`."""
