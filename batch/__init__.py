"""From features to KPIs, and the other jobs over tables."""
