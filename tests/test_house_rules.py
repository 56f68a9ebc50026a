"""Rules of the house that no other tool checks."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
APPS = ("rally", "payments", "trips", "operators")
BANNED_NAMES = {"utils", "helpers", "common", "misc", "manager", "data", "info", "process", "handle"}


def modules(pattern: str = "**/*.py") -> Iterator[Path]:
    for app in APPS:
        for path in sorted((ROOT / app).glob(pattern)):
            if "migrations" not in path.parts:
                yield path


def templates() -> Iterator[Path]:
    yield from sorted((ROOT / "templates").glob("**/*.html"))


def calls(path: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            yield node.lineno, ast.unparse(node.func)


def where(path: Path, line: int) -> str:
    return f"{path.relative_to(ROOT)}:{line}"


def test_there_is_something_to_look_at() -> None:
    assert len(list(modules())) > 80
    assert len(list(templates())) > 40


def test_modules_have_telling_names_and_say_what_is_in_them() -> None:
    assert not [path for path in modules() if path.stem in BANNED_NAMES]
    silent = [
        str(path.relative_to(ROOT))
        for path in modules()
        if path.read_text().strip() and not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert silent == []


def test_only_the_gateway_and_the_sandbox_know_stripe() -> None:
    found = [
        where(path, node.lineno)
        for path in modules()
        if not {"gateway", "sandbox"} & set(path.parts)
        for node in ast.walk(ast.parse(path.read_text()))
        if (isinstance(node, ast.Import) and any(name.name.split(".")[0] == "stripe" for name in node.names))
        or (isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "stripe")
    ]
    assert found == []


def test_actions_are_told_the_time_and_never_ask_for_it() -> None:
    asked = [
        where(path, line)
        for path in modules("actions/**/*.py")
        for line, call in calls(path)
        if call in {"clock.now", "timezone.now", "datetime.now", "datetime.utcnow", "date.today"}
    ]
    assert asked == []


def test_time_comes_from_the_one_clock() -> None:
    # The clock itself, and the demo, which moves it.
    allowed = {ROOT / "rally" / "clock.py", ROOT / "rally" / "demo" / "clock.py"}
    asked = [
        where(path, line)
        for path in modules()
        if path not in allowed and not {"launcher", "sandbox"} & set(path.parts)
        for line, call in calls(path)
        if call in {"timezone.now", "datetime.now", "datetime.utcnow", "date.today"}
    ]
    assert asked == []


def test_actions_take_their_arguments_by_name() -> None:
    # A thing and one more word about it read well without names; anything longer does not, nor does who acts.
    positional = [
        f"{path.relative_to(ROOT)}:{node.name}"
        for path in modules("actions/**/*.py")
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
        if len(node.args.args) > 2 or "by" in {one.arg for one in node.args.args}
    ]
    assert positional == []


def test_doorways_do_not_write() -> None:
    writing = [
        where(path, line)
        for room in ("views/**/*.py", "api/**/*.py")
        for path in modules(room)
        for line, call in calls(path)
        if re.search(r"\.(save|delete|bulk_create|update)$", call)
        and re.search(r"objects|form\b|\bsave$|delete$", call)
        and not re.search(r"session|cookies|headers|context", call)
    ]
    assert writing == []


@pytest.mark.parametrize(
    ("what", "pattern"),
    [
        ("an inline style", r"<[^>]+\sstyle="),
        ("a style block", r"<style[\s>]"),
        ("an inline script", r"<script(?![^>]*\b(src|type=\"application/(ld\+)?json\")=?)[^>]*>"),
        ("an inline handler", r"<[^>]+\son\w+="),
        ("an unescaped value", r"\|\s*safe\b|autoescape off"),
        ("a foreign address of a script or sheet", r"(src|href)=\"(https?:)?//[^\"]+\.(js|css)"),
    ],
)
def test_pages_keep_the_content_security_policy(what: str, pattern: str) -> None:
    # Mails are not under the policy: mail programs know inline styles only.
    found = [
        f"{path.relative_to(ROOT)}: {match.group(0)[:80]}"
        for path in templates()
        if "emails" not in path.parts and not path.name.startswith("email_")
        for match in re.finditer(pattern, path.read_text())
    ]
    assert found == [], what


def test_images_and_fields_are_labelled() -> None:
    bare = [
        f"{path.relative_to(ROOT)}: {match.group(0)[:80]}"
        for path in templates()
        for match in re.finditer(r"<img(?![^>]*\salt=)[^>]*>", path.read_text())
    ]
    assert bare == []


def test_no_unfinished_business() -> None:
    words = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|NotImplementedError")
    found = [where(path, 0) for path in [*modules(), *templates()] if words.search(path.read_text())]
    assert found == []


def test_each_vendored_file_says_version_and_licence() -> None:
    folders = [path for path in (ROOT / "static" / "vendor").iterdir() if path.is_dir()]
    assert folders
    lacking = [
        path.name for path in folders if not (path / "VERSION").exists() or not list(path.glob("LICENSE*"))
    ]
    assert lacking == []
