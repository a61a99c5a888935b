"""What runs in the guest, by Debian's Python alone: one process, which is process 1 and ends with the machine."""
