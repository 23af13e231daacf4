"""One guard of the code broken, in the running process: a function gets the body of its mutant.

The function object stays, so whoever imported it calls the mutant; the files are not touched.
"""

from __future__ import annotations

import ast
import functools
import gc
import importlib
import inspect
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

LIST = Path(__file__).parents[1] / "mutants.toml"


class AnchorError(Exception):
    """A mutant does not apply: the code that it changes is not there, or is there twice."""


@dataclass(frozen=True)
class Mutant:
    """One way to break a guard.

    Attributes:
        name: what the guard is there for.
        module: its file, such as ``checkpoints/lock.py``.
        function: the function in it, such as ``StreamLock.acquire``.
        find: the expression that is changed, which the function has once, however it is laid out.
        replace: the expression in its place.
        tests: the tests that should notice.
    """

    name: str
    module: str
    function: str
    find: str
    replace: str
    tests: tuple[str, ...]

    def mutated(self) -> CodeType:
        """Compile the function's body with the expression replaced.

        Raises:
            AnchorError: the module has no such function, or that has not the expression once.
        """
        tree = ast.parse(Path(self.module).read_text("utf-8"))
        swap = _Swap(self.find, self.replace)
        swap.visit(_function(tree, self))
        if swap.found != 1:
            raise AnchorError(
                f"{self.name}: {self.module} has `{self.find}` {swap.found} times in "
                f"{self.function}; it must be there once."
            )
        code = compile(ast.fix_missing_locations(tree), self.module, "exec")
        return next(each for each in _codes(code) if each.co_qualname == self.function)

    def original(self) -> FunctionType:
        """Find the function, below what decorates it."""
        found: Any = importlib.import_module(self.module.removesuffix(".py").replace("/", "."))
        for name in self.function.split("."):
            found = inspect.getattr_static(found, name)
        found = found.fget if isinstance(found, property) else found
        found = getattr(found, "func", found)  # a cached property
        function = inspect.unwrap(getattr(found, "__func__", found))
        assert isinstance(function, FunctionType), self
        return function

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Break the guard for the time of the block."""
        function, code = self.original(), self.mutated()
        kept = function.__code__
        function.__code__ = code
        _forget_cached()
        try:
            yield
        finally:
            function.__code__ = kept
            _forget_cached()


def read_list(path: Path = LIST) -> list[Mutant]:
    """Read the list of mutants."""
    listed = tomllib.loads(path.read_text("utf-8"))["mutants"]
    return [Mutant(**{**each, "tests": tuple(each["tests"])}) for each in listed]


class _Swap(ast.NodeTransformer):
    """Puts one expression in the place of another, wherever that is."""

    def __init__(self, find: str, replace: str) -> None:
        self._find = ast.dump(ast.parse(find, mode="eval").body)
        self._replace = ast.parse(replace, mode="eval").body
        self.found = 0

    def visit(self, node: ast.AST) -> Any:
        """Compare by structure: neither layout nor quotes count."""
        if isinstance(node, ast.expr) and ast.dump(node) == self._find:
            self.found += 1
            return self._replace
        return self.generic_visit(node)


def _function(tree: ast.Module, mutant: Mutant) -> ast.AST:
    found: ast.AST = tree
    for name in mutant.function.split("."):
        body = getattr(found, "body", [])
        inner = [each for each in body if getattr(each, "name", None) == name]
        if not inner:
            raise AnchorError(f"{mutant.name}: {mutant.module} has no {mutant.function}.")
        [found] = inner
    return found


def _codes(code: CodeType) -> Iterator[CodeType]:
    for each in code.co_consts:
        if isinstance(each, CodeType):
            yield each
            yield from _codes(each)


def _forget_cached() -> None:
    """Empty the caches of the project's functions: what is in them was made by another body."""
    for each in gc.get_objects():
        if isinstance(each, functools._lru_cache_wrapper):
            clear: Callable[[], None] = each.cache_clear
            clear()
