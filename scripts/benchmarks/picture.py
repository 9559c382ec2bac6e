"""Draws results as a picture: a group of bars for each page, two groups beside each other."""

import html
import statistics

COLORS = {"ours": "#2f6f4f", "peer": "#9aa5b1", "floor": "#d9b36c"}
COLUMN, BETWEEN, BAR, LETTER = 480, 24, 16, 7.2
HEAD, FOOT = 24, 22  # above and below the bars of a group


def bars(pages):
    """The CPU time per request of {title: {server: values}}; shorter is better."""
    # Generous, as the reader's letters may be wider than ours.
    left = LETTER * max(len(name) for result in pages.values() for name in result) + 8
    parts, height, groups = [], 28, list(pages.items())
    for at in range(0, len(groups), 2):
        pair = groups[at:at + 2]
        for column, (title, result) in enumerate(pair):
            parts.append(group(title, result, column * (COLUMN + BETWEEN), height, left))
        height += HEAD + BAR * max(len(result) for _, result in pair) + FOOT
    width = 2 * COLUMN + BETWEEN
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="white"/>'
        '<text x="8" y="18" fill="#555">CPU time per request (user and system): the shorter, the better</text>\n'
        f'{"".join(parts)}</svg>\n'
    )


def group(title, result, x, y, left):
    # The longest bars would leave no room for the others, so they are cut.
    limit = 4 * statistics.median(values["cpu"] for values in result.values())
    labels = {
        name: f"{values['cpu'] * 1e6:,.1f} µs" + (" (cut)" if values["cpu"] > limit else "")
        for name, values in result.items()
    }
    right = LETTER * max(map(len, labels.values())) + 12
    scale = (COLUMN - left - right) / min(limit, max(values["cpu"] for values in result.values()))
    parts = [f'<g transform="translate({x},{y})"><text x="8" y="14" font-weight="bold">{html.escape(title)}</text>']
    y = HEAD
    for name, values in sorted(result.items(), key=lambda item: item[1]["cpu"]):
        length, color = min(values["cpu"], limit) * scale, COLORS[values["kind"]]
        parts.append(
            f'<text x="{left:.0f}" y="{y + 10}" text-anchor="end">{html.escape(name)}</text>'
            f'<rect x="{left + 6:.0f}" y="{y}" width="{length:.1f}" height="{BAR - 3}" fill="{color}"/>'
            f'<text x="{left + length + 11:.1f}" y="{y + 10}">{labels[name]}</text>\n'
        )
        y += BAR
    return "".join(parts) + "</g>\n"
