"""The project judges itself: types, lint, imports, sizes, and what may never be in the tree.

`make test` sets BLELOCK_TOOLS=required, and then a tool that is missing is a failure.
"""

from __future__ import annotations

import ast
import configparser
import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.checkout import ROOT

MOST_LINES_IN_A_FILE: Final = 300
MOST_LINES_IN_A_FUNCTION: Final = 50
TOOL_SECONDS: Final = 300
DEBIAN_LIBRARIES: Final = Path("/usr/lib/python3/dist-packages")
LIBRARIES: Final = (
    "argcomplete",
    "bleak",
    "cryptography",
    "dbus_fast",
    "dbus_next",
    "paho",
    "qrcode",
    "rich",
    "sdnotify",
    "voluptuous",
    "yaml",
)

Function = ast.FunctionDef | ast.AsyncFunctionDef


def tracked() -> list[Path]:
    """What git tracks, and what it would; without git, all that is not hidden."""
    if not (ROOT / ".git").exists():
        return [p for p in ROOT.rglob("*") if p.is_file() and "/." not in f"/{name(p)}"]
    # The checkout may belong to another user than the one that runs the tests.
    command = ["git", "-c", f"safe.directory={ROOT}", "ls-files", "-z", "--cached", "--others"]
    listing = subprocess.run(
        [*command, "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
        timeout=TOOL_SECONDS,
    ).stdout
    return [path for name in listing.split("\0") if name and (path := ROOT / name).is_file()]


def python_files(folder: str = "") -> list[Path]:
    """The project's Python files below `folder`."""
    return [p for p in tracked() if p.suffix == ".py" and p.is_relative_to(ROOT / folder)]


def name(path: Path) -> str:
    """The path as a reader of the repository writes it."""
    return str(path.relative_to(ROOT))


def lines_that_match(pattern: re.Pattern[str], paths: list[Path]) -> list[str]:
    """`file:line: text` of each line that matches; files that are not text have none."""
    return [
        f"{name(path)}:{number}: {line.strip()}"
        for path in paths
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1)
        if pattern.search(line)
    ]


def functions(tree: ast.AST) -> Iterator[Function]:
    """Every function and method, nested ones included."""
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def run_tool(module: str, *command: str) -> None:
    """Run a tool of this environment over the project; its complaint is the test's."""
    if importlib.util.find_spec(module) is None:
        if os.environ.get("BLELOCK_TOOLS") == "required":
            pytest.fail(f"{module} is not installed, and BLELOCK_TOOLS=required")
        pytest.skip(f"{module} is not installed in this environment")
    done = subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=TOOL_SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


@pytest.mark.timeout(TOOL_SECONDS)
def test_the_types_hold() -> None:
    run_tool("mypy", "-m", "mypy")


def test_the_linter_finds_nothing() -> None:
    run_tool("ruff", "-m", "ruff", "check", "--output-format=concise", ".")


def test_the_layout_is_the_formatters() -> None:
    run_tool("ruff", "-m", "ruff", "format", "--check", ".")


def test_imports_go_one_way() -> None:
    run_tool("importlinter", "-c", "from importlinter.cli import lint_imports_command as c; c()")


def test_files_stay_short() -> None:
    lengths = {name(p): len(p.read_text().splitlines()) for p in python_files()}
    assert not {file: n for file, n in lengths.items() if n > MOST_LINES_IN_A_FILE}


def test_functions_stay_short() -> None:
    assert not [
        f"{name(path)}:{function.lineno} {function.name}: {length} lines"
        for path in python_files()
        for function in functions(ast.parse(path.read_text()))
        if (length := (function.end_lineno or 0) - function.lineno + 1) > MOST_LINES_IN_A_FUNCTION
    ]


def test_every_file_says_what_its_rule_is() -> None:
    assert not [
        name(p)
        for p in [*python_files("blelockd"), *python_files("tests")]
        if p.read_text() and not ast.get_docstring(ast.parse(p.read_text()))
    ]


def undocumented(body: list[ast.stmt], owner: str) -> Iterator[str]:
    """Public classes, functions and methods without a docstring."""
    for node in body:
        if not isinstance(node, ast.ClassDef | Function) or node.name.startswith("_"):
            continue
        if not ast.get_docstring(node):
            yield f"{owner}{node.name}"
        if isinstance(node, ast.ClassDef):
            yield from undocumented(node.body, f"{owner}{node.name}.")


def test_public_names_of_the_protocol_and_the_ports_state_their_contract() -> None:
    paths = [*python_files("blelockd/protocol"), ROOT / "blelockd/services/ports.py"]
    assert not [
        missing
        for path in paths
        for missing in undocumented(ast.parse(path.read_text()).body, f"{name(path)}: ")
    ]


def test_secrets_are_compared_in_one_file() -> None:
    found = lines_that_match(re.compile(r"\bcompare_digest\b"), python_files("blelockd"))
    assert {line.split(":")[0] for line in found} == {"blelockd/protocol/opaque.py"}


def test_an_admission_is_made_in_one_file() -> None:
    made = {
        name(path)
        for path in python_files("blelockd")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and (node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", ""))
        == "Admit"
    }
    assert made == {"blelockd/protocol/verifier.py"}


def test_no_parser_takes_an_abbreviation_for_an_option() -> None:
    """A new option would change what an old line means: `--lock` was once read as `--locks`."""
    calls = [
        (name(path), node.lineno, {word.arg for word in node.keywords})
        for path in python_files()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func).endswith((".ArgumentParser", ".add_parser", "_Parser"))
    ]
    assert len(calls) > 9
    assert [call for call in calls if "allow_abbrev" not in call[2]] == []


def test_no_private_key_is_in_the_tree() -> None:
    key = re.compile(r"BEGIN ([A-Z]+ )*PRIVATE KEY-")
    outside = [p for p in tracked() if not p.is_relative_to(ROOT / "tests/vectors")]
    assert not lines_that_match(key, outside)


def test_no_path_belongs_to_one_machine() -> None:
    # Written in two parts, so that this line is not its own find; `/home/pi` is the manual's user.
    path = re.compile(r"(?<![\w.$}-])/(?:work|root|home|tmp)" + r"/(?!pi\b|user\b|\$|\{)\w")
    assert not lines_that_match(path, tracked())


def test_nothing_hangs_on_symbolic_links() -> None:
    """Whatever carries a checkout without them leaves files that hold a path and nothing else."""
    links = [name(path) for path in tracked() if path.is_symlink()]
    short = [path for path in tracked() if path.stat().st_size < 200]
    torn = [name(path) for path in short if (path.parent / (path.read_text() or "?")).is_file()]
    assert links + torn == []


def test_the_readme_and_the_ci_run_the_same_command() -> None:
    command = "make test"
    assert re.search(rf"^{command}\b(?!-)", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert re.search(rf"\b{command}$", (ROOT / ".ci/run").read_text(), re.MULTILINE)


def test_every_required_library_is_one_whose_origin_is_checked() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    required = setup["options"]["install_requires"].split()
    modules = {"paho-mqtt": "paho", "pyyaml": "yaml"}
    names = [re.split(r"[<>=;\[]", requirement)[0] for requirement in required]
    # bleak brings dbus-fast.
    checked = {modules.get(n, n.replace("-", "_")) for n in names} | {"dbus_fast"}
    assert checked == set(LIBRARIES)


def test_the_libraries_are_those_that_this_run_promises() -> None:
    """`make test` promises PyPI's newest, `make test-packaged` the ones that Debian packages."""
    homes = {"pypi": Path(sys.prefix), "debian": DEBIAN_LIBRARIES}
    promise = os.environ.get("BLELOCK_LIBRARIES")
    if promise is None:
        pytest.skip("pytest was run by hand; the make targets set BLELOCK_LIBRARIES")
    for library in LIBRARIES:
        spec = importlib.util.find_spec(library)
        assert spec is not None, library
        assert spec.origin is not None, library
        assert Path(spec.origin).is_relative_to(homes[promise]), f"{library}: {spec.origin}"
