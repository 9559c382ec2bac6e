"""Writes the results as tables and pictures into docs/reference/."""

import datetime
import html
import pathlib
import re
import statistics

DOCS = pathlib.Path(__file__).resolve().parents[2] / "docs" / "reference"
PAGE = DOCS / "benchmarks.md"

OURS, PEER, FLOOR = "#2f6f4f", "#9aa5b1", "#d9b36c"


def write(protocol, results, titles):
    """Replaces the text between the marks of the protocol, and its picture."""
    shown = {key: value for key, value in results.items() if "/32/keep" in key}
    picture = DOCS / f"benchmarks-{protocol}.svg"
    picture.write_text(svg(shown or results, titles))
    replace(protocol, [table(key, result, titles) for key, result in results.items()], picture)


def replace(protocol, tables, picture=None):
    """Replaces the text between the marks of the protocol by these tables."""
    text = PAGE.read_text()
    begin, end = f"<!-- {protocol}: begin -->", f"<!-- {protocol}: end -->"
    body = f"{begin}\n\nMeasured on {datetime.date.today().isoformat()}.\n\n"
    body += f"![CPU time per request]({picture.name})\n\n" if picture else ""
    body += "\n".join(tables) + end
    PAGE.write_text(re.sub(re.escape(begin) + ".*" + re.escape(end), lambda _: body, text, flags=re.S))
    print(f"bench: wrote {PAGE}" + (f" and {picture}" if picture else ""))


def heading(key, titles):
    page, connections, kind = key.split("/")
    kind = "kept alive" if kind == "keep" else "closed after each request"
    return f"{titles[page]}, {connections} connection{'' if connections == '1' else 's'}, {kind}"


def table(key, result, titles):
    best = min((v["cpu"] for v in result.values() if v["peer"] and not v["errors"]), default=None)
    lines = [
        f"#### {heading(key, titles)}\n",
        "| server | CPU µs/request | to the best peer | requests/s | p50 ms | p99 ms | memory MB |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for name, v in result.items():
        ratio = f"{v['cpu'] / best:.2f}" if best else ""
        note = f" ({v['errors']:.0f} errors)" if v["errors"] else ""
        lines.append(
            f"| {name}{note} | {v['cpu'] * 1e6:.1f} | {ratio} | {v['rate']:,.0f} | {v['p50'] * 1e3:.2f} "
            f"| {v['p99'] * 1e3:.2f} | {v['memory'] / 1e6:.1f} |"
        )
    return "\n".join(lines) + "\n"


def svg(results, titles):
    """A group of bars for each page: CPU time per request; shorter is better."""
    bar, gap, left, width = 16, 34, 190, 720
    parts, y = [], 30
    for key, result in results.items():
        parts.append(f'<text x="0" y="{y}" font-weight="bold">{html.escape(heading(key, titles))}</text>')
        y += 8
        # Gunicorn's bars would leave no room for the others, so long bars are cut.
        limit = 4 * statistics.median(v["cpu"] for v in result.values())
        scale = (width - left - 70) / min(limit, max(v["cpu"] for v in result.values()))
        for name, v in sorted(result.items(), key=lambda item: item[1]["cpu"]):
            color = FLOOR if name.startswith("bare") else PEER if v["peer"] else OURS
            cut = v["cpu"] > limit
            length = min(v["cpu"], limit) * scale
            label = f"{v['cpu'] * 1e6:.1f} µs" + (" (cut)" if cut else "")
            parts.append(
                f'<text x="{left - 8}" y="{y + 12}" text-anchor="end">{html.escape(name)}</text>'
                f'<rect x="{left}" y="{y}" width="{length:.1f}" height="{bar - 3}" fill="{color}"/>'
                f'<text x="{left + length + 5:.1f}" y="{y + 12}">{label}</text>'
            )
            y += bar
        y += gap
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{y}" viewBox="0 0 {width} {y}" '
        'font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="white"/>'
        '<text x="0" y="12" fill="#555">CPU time per request (user and system): the shorter, the better</text>'
        f'<g transform="translate(0,10)">{"".join(parts)}</g></svg>\n'
    )
