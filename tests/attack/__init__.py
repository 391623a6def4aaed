"""Attacks: played (`make attack`), fuzzed (`make fuzz`), and checks taken out (`make mutate`)."""
