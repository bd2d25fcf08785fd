"""One module per kind of workload. What is asked of them stands in `benchmarks.catalogue`."""
