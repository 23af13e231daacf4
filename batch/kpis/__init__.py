"""From one version of the features to the KPI tables: counts, numbers, tables, changes."""
