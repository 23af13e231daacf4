"""Few files, few marks of deleted rows, no file that nobody needs: on demand and unattended."""
