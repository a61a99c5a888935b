"""The emulator: a simulator with the recorded noise, couplings, gates and pace of a real device."""
