"""Guards of the code, broken one at a time: do the tests notice? (``make mutants``)"""
