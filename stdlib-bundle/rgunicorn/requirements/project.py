"""`pyproject.toml` (PEP 621, PEP 735)."""

from pip._vendor.packaging.requirements import InvalidRequirement, Requirement
from pip._vendor.packaging.utils import canonicalize_name

from .wanted import Refusal, check_asked, read_toml


def read(wanted, extras, groups):
    file = wanted.file
    whole = read_toml(file)
    project = whole.get("project", {})
    optional = _canonical(project.get("optional-dependencies", {}))
    tables = _canonical(whole.get("dependency-groups", {}))
    check_asked(file, "extra", extras, optional)
    check_asked(file, "group", groups, tables)
    lines = list(project.get("dependencies", []))
    if "dependencies" in project.get("dynamic", []):
        lines += _dynamic(file, whole)
    for name in sorted(extras):
        lines += optional[name]
    for name in sorted(groups):
        lines += _group(file, tables, name, ())
    own = canonicalize_name(project.get("name", ""))
    placed = _placed(whole.get("tool", {}))
    seen = set(extras)
    while lines:
        line = lines.pop(0)
        try:
            requirement = Requirement(line)
        except InvalidRequirement as error:
            raise Refusal(f"{file} has {line!r}, which is no requirement: {error}") from None
        name = canonicalize_name(requirement.name)
        if name in placed:
            # An index may have a foreign package of this name.
            table, tool = placed[name]
            raise Refusal(
                f"{file} has a place for {name} that only {tool} knows ([tool.{table}]); run "
                f"`{tool} lock`, and name the lock by -r"
            )
        if name != own:
            wanted.require(line)
            continue
        # "shop[all]" in shop's own extras refers to other extras.
        more = {canonicalize_name(extra) for extra in requirement.extras} - seen
        check_asked(file, "extra", more, optional)
        seen |= more
        for name in sorted(more):
            lines += optional[name]


def _canonical(table):
    return {canonicalize_name(name): value for name, value in table.items()}


def _placed(tools):
    """Packages that a tool would take from another place, with its table and name."""
    uv = tools.get("uv", {}).get("sources", {})
    poetry = {
        name: told
        for name, told in tools.get("poetry", {}).get("dependencies", {}).items()
        if isinstance(told, dict) and {"file", "git", "path", "source", "url"} & told.keys()
    }
    return {
        **dict.fromkeys(_canonical(poetry), ("poetry.dependencies", "poetry")),
        **dict.fromkeys(_canonical(uv), ("uv.sources", "uv")),
    }


def _dynamic(file, whole):
    """Refuses fields that setuptools would read from files."""
    told = whole.get("tool", {}).get("setuptools", {}).get("dynamic", {}).get("dependencies", {})
    names = told.get("file") if isinstance(told, dict) else None
    if not names:
        raise Refusal(
            f"{file} leaves its dependencies to its build system; write them there, or into a "
            "requirements.txt"
        )
    lines = []
    for name in [names] if isinstance(names, str) else names:
        for line in (file.parent / name).read_text("utf-8").splitlines():
            line = line.partition(" #")[0].strip()
            if line and not line.startswith("#"):
                lines.append(line)
    return lines


def _group(file, tables, name, within):
    if name in within:
        raise Refusal(f"{file} has a group '{name}' that includes itself")
    if name not in tables:
        raise Refusal(f"{file} includes a group '{name}', which is not there")
    lines = []
    for item in tables[name]:
        if isinstance(item, str):
            lines.append(item)
        else:
            other = canonicalize_name(item["include-group"])
            lines += _group(file, tables, other, (*within, name))
    return lines
