"""`omnixan pmem`: what a path is good for as persistent memory."""
