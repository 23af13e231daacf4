"""The version of this program, also where it runs from a zip."""

VERSION = "0.2.0"
