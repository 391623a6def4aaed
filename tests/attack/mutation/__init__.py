"""Is every check tested? Each is taken out, one at a time, and a test must fail: `make mutate`."""
