"""The virtual air: several hosts, each with a D-Bus and an org.bluez of its own, and one air."""
