"""The notebook: as it is stored, and executed from top to bottom on the file that it is about."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import nbformat
import pytest
from nbformat import NotebookNode

from batch.segments import compute_segments
from lake.tables import FEATURES
from samples.flo100k import FILE_NAME
from tests.commands import understand
from tests.lakes import DropLake
from tests.processes import ROOT, run

NOTEBOOK = ROOT / "notebooks" / "flo_data_analysis.ipynb"
PUBLISHED = json.loads((ROOT / "samples" / "published.json").read_text("utf-8"))
CHARTS = 12

_SVG = "image/svg+xml"
_PATH = re.compile(r"""(?:^|[\s"'(=:])/(?:[\w.~-]+/)+""", re.MULTILINE)
_ID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", re.IGNORECASE)
_RECIPE = re.compile(r"^```sh(?: notebook)?\n(export FLO_ROOT=.*?)^```", re.MULTILINE | re.DOTALL)
_COUNTED = re.compile(r"✓ .*: (\d+) published figures?, equal\.")


@pytest.fixture(scope="module")
def stored() -> NotebookNode:
    """Read the notebook as it is in the repository."""
    return nbformat.read(NOTEBOOK, as_version=nbformat.NO_CONVERT)


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    """Select the cells that compute."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def outputs(notebook: NotebookNode) -> Iterator[NotebookNode]:
    """Go through all outputs, from top to bottom."""
    for cell in code_cells(notebook):
        yield from cell.outputs


def readable(notebook: NotebookNode) -> list[tuple[str, str, str]]:
    """Select of all outputs what is text: cell, kind, and the text."""
    return [
        (cell.id, kind, output.data[kind])
        for cell in code_cells(notebook)
        for output in cell.outputs
        for kind in ("text/markdown", "text/plain")
        if kind in output.get("data", {})
    ]


def charts(notebook: NotebookNode) -> list[str]:
    """Select the pictures."""
    return [each.data[_SVG] for each in outputs(notebook) if _SVG in each.get("data", {})]


def check_outputs(notebook: NotebookNode) -> None:
    """See that all cells ran in order, gave no error and no noise, and drew what they should."""
    nbformat.validate(notebook)
    cells = code_cells(notebook)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    kinds = {(output.output_type, output.get("name")) for output in outputs(notebook)}
    assert kinds == {("display_data", None)}
    drawn = charts(notebook)
    assert len(drawn) == CHARTS
    for each in drawn:
        marks = ElementTree.fromstring(each).findall(".//*[@aria-roledescription]")
        assert len(marks) > 2, "a chart has hardly a mark"


def check_readings(notebook: NotebookNode) -> None:
    """See that a sentence follows each chart, and how many figures were compared in all."""
    for cell in code_cells(notebook):
        kinds = [next(iter(output.data)) for output in cell.outputs]
        for at, kind in enumerate(kinds):
            if kind == _SVG:
                after = [each.data.get("text/markdown", "") for each in cell.outputs[at + 1 :]]
                assert any(text.startswith("> **") for text in after), f"{cell.id} is not read"
    texts = [text for _, kind, text in readable(notebook) if kind == "text/markdown"]
    counted = sum(int(found[1]) for text in texts if (found := _COUNTED.fullmatch(text)))
    assert counted == 128
    assert texts[-1] == f"> **{counted} figures are the published ones.**"


def test_the_stored_notebook_is_whole(stored: NotebookNode) -> None:
    """What a reader sees in the repository was executed to its end, in order, without an error."""
    check_outputs(stored)
    check_readings(stored)


def test_the_stored_notebook_tells_nothing_of_its_machine(stored: NotebookNode) -> None:
    """No path, time or name of the machine that executed it is in it, and no customer's id."""
    text = nbformat.writes(stored)
    for output in outputs(stored):
        for kind, shown in output.data.items():
            assert not _PATH.search(shown), kind
    assert not _ID.search(text)
    assert all(not cell.metadata for cell in stored.cells)
    assert set(stored.metadata) == {"kernelspec", "language_info"}
    assert stored.metadata.language_info == {"name": "python"}
    assert stored.metadata.kernelspec.name == "python3"


def test_its_recipe_is_the_readme_s(stored: NotebookNode) -> None:
    """The notebook and the README say alike how it is run, with commands that are understood."""
    [said] = _RECIPE.findall(stored.cells[0].source)
    [again] = _RECIPE.findall((ROOT / "README.md").read_text("utf-8"))
    assert said == again
    export, *lines, last = said.splitlines()
    assert export.startswith("export FLO_ROOT=/")
    assert last == f"jupyter execute --inplace {NOTEBOOK.relative_to(ROOT)}"
    ran = [each for line in lines for each in understand(line)]
    assert ("stream",) in ran
    assert any(FILE_NAME in line for line in lines)


@pytest.mark.integration
def test_it_runs_from_top_to_bottom(
    flo100k: DropLake, environment: dict[str, str], stored: NotebookNode, tmp_path: Path
) -> None:
    """On a lake with the file it gives what is stored, draws all, and shows no customer's id."""
    compute_segments(flo100k.spark, flo100k.settings)
    copy = tmp_path / NOTEBOOK.name
    nbformat.write(stored, copy)
    # A home of its own: no settings of a user's Jupyter, and none of its files left behind.
    env = {**environment, "HOME": str(tmp_path), "FLO_ROOT": flo100k.settings.root}

    run("jupyter", "execute", "--inplace", str(copy), env=env, timeout=300)

    executed = nbformat.read(copy, as_version=nbformat.NO_CONVERT)
    check_outputs(executed)
    check_readings(executed)
    ids = {row[0] for row in flo100k.table(FEATURES).select("master_id").collect()}
    assert len(ids) == PUBLISHED["rows"]
    shown = " ".join(text for output in outputs(executed) for text in output.data.values())
    assert not ids & set(re.findall(r"[\w-]+", shown))
    if os.environ.get("KEEP_NOTEBOOK"):
        keep(executed)
    assert readable(executed) == readable(stored), "KEEP_NOTEBOOK=1 stores what it gives now"


def keep(notebook: NotebookNode) -> None:
    """Store the notebook as it was executed, without times and versions of the machine."""
    for cell in notebook.cells:
        cell.metadata = NotebookNode()
    notebook.metadata.language_info = NotebookNode(name="python")
    nbformat.write(notebook, NOTEBOOK)
