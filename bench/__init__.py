"""The benchmarks: this project beside the recipes and engines that one would use instead."""
