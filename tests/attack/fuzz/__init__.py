"""What parses hostile bytes, fed with bytes that a coverage-guided fuzzer makes up: `make fuzz`."""
