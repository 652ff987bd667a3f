"""The schedulers that bench/compare measures, one file each."""
