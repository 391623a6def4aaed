"""Real machines: the packages under Debian's systemd and bluetoothd; `make vm-test` runs them."""
