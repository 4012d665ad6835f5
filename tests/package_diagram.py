"""The packages of the project with what each imports, as CONTRIBUTING.md shows them.

``python tests/package_diagram.py`` prints the diagram; paste it there when a package is added or an import
between packages changes.
"""

from __future__ import annotations

from import_graph import MODULES, PACKAGES, imports

#: Packages that are shown as several, because other packages import their parts.
_DIVIDED = ("vsmnp.kernels", "vsmnp.paper")


def package_of(module: str) -> str:
    """Name the package that a module is shown under: the second part of its name, or the third."""
    parts = module.split(".")
    inner = ".".join(parts[:3])
    divided = ".".join(parts[:2]) in _DIVIDED and len(parts) > 2 and inner in PACKAGES
    return inner if divided else ".".join(parts[:2])


def package_imports() -> dict[str, set[str]]:
    """Collect for each package the packages that its files import."""
    graph: dict[str, set[str]] = {package_of(module): set() for module in MODULES if module != "vsmnp"}
    for module in MODULES:
        if module == "vsmnp":
            continue
        for imported in imports(module):
            if imported.module in MODULES and imported.module != "vsmnp":
                graph[package_of(module)].add(package_of(imported.module))
    return {package: found - {package} for package, found in graph.items()}


def _below(graph: dict[str, set[str]], package: str) -> set[str]:
    """Collect everything that a package imports, directly or through others."""
    return set().union(*({other, *_below(graph, other)} for other in graph[package]))


def _row(graph: dict[str, set[str]], package: str) -> int:
    """Count the packages on the longest chain of imports below a package."""
    return 1 + max((_row(graph, other) for other in graph[package]), default=0)


def diagram() -> str:
    """Write a line for each package, the highest first, without the imports that others in the line have."""
    graph = package_imports()
    lines = []
    for package in sorted(graph, key=lambda name: (-_row(graph, name), name)):
        others = graph[package]
        shown = {one for one in others if not any(one in _below(graph, other) for other in others - {one})}
        names = ", ".join(sorted(name.removeprefix("vsmnp.") for name in shown))
        lines.append(f"{package.removeprefix('vsmnp.'):<20} {'-> ' + names if names else ''}".rstrip())
    return "\n".join(lines)


if __name__ == "__main__":
    print(diagram())
