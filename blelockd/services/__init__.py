"""What each daemon is for, in terms of the ports of `ports.py`: no D-Bus, no MQTT, no YAML."""
