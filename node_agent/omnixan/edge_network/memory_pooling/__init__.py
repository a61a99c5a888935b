"""Memory that is reused: a pool of buffers on memfd blocks, segments for other processes, a cache of compiled circuits."""
