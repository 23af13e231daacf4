"""How cost grows: measured at several sizes, fitted by a line, and told in docs/scaling.md."""
