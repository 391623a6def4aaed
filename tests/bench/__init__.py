"""What an advert, a session and an idle daemon cost: `make bench`. docs/bench.md explains."""
