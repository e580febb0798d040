"""Draws docs/placement-*.svg and docs/quota-reclaim.svg from a file that
tests/bench/engine --out wrote: how evenly capacity is used, who takes what
lost nodes held, what growth does, other capacities and sizes, and what a
guarantee takes back. Plain SVG, the same bytes for the same figures."""

import json
import os
import sys

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 640, 260, 56, 48, 34
INK, BAR, MARK = "#333", "#4a7ab5", "#c0392b"
GREEN, GREY, ORANGE = "#3a8f5c", "#8a8a8a", "#d98a1f"


class Figure:
    def __init__(self, title, x_text, y_text):
        self.parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" '
            f'height="{HEIGHT}" font-family="sans-serif" font-size="12">',
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>']
        self.text(WIDTH / 2, 18, title, size=14)
        self.text((LEFT + WIDTH) / 2, HEIGHT - 8, x_text)
        self.parts.append(
            f'<text x="14" y="{(TOP + HEIGHT - BOTTOM) / 2}" fill="{INK}" '
            f'text-anchor="middle" transform="rotate(-90 14 '
            f'{(TOP + HEIGHT - BOTTOM) / 2})">{y_text}</text>')

    def text(self, x, y, words, anchor="middle", size=12, ink=INK):
        self.parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" fill="{ink}" font-size="{size}" '
            f'text-anchor="{anchor}">{words}</text>')

    def rect(self, x, y, width, height, ink=BAR):
        self.parts.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" '
            f'height="{height:.1f}" fill="{ink}"/>')

    def line(self, x, y, to_x, to_y, ink=INK, dash=""):
        self.parts.append(
            f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{to_x:.1f}" '
            f'y2="{to_y:.1f}" stroke="{ink}" stroke-dasharray="{dash}"/>')

    def write(self, path):
        with open(path, "w") as f:
            f.write("\n".join(self.parts + ["</svg>"]) + "\n")


class Axes:
    """From values to places in a figure, with marks and numbers."""

    def __init__(self, figure, x_range, y_most, x_marks, y_form):
        self.figure, self.x_range, self.y_most = figure, x_range, y_most
        for value, words in x_marks:
            figure.line(self.x(value), self.y(0), self.x(value),
                        self.y(0) + 4)
            figure.text(self.x(value), self.y(0) + 17, words)
        for i in range(5):
            value = y_most * i / 4
            figure.line(LEFT - 4, self.y(value), LEFT, self.y(value))
            figure.text(LEFT - 7, self.y(value) + 4, y_form.format(value),
                        "end")
        figure.line(LEFT, self.y(0), WIDTH - 16, self.y(0))
        figure.line(LEFT, self.y(0), LEFT, TOP)

    def x(self, value):
        low, high = self.x_range
        return LEFT + (value - low) / (high - low) * (WIDTH - 16 - LEFT)

    def y(self, value):
        return HEIGHT - BOTTOM - value / self.y_most * (
            HEIGHT - BOTTOM - TOP)


def histogram(figure, values, x_range, bins, marks):
    low, high = x_range
    counts = [0] * bins
    for v in values:
        at = int((v - low) / (high - low) * bins)
        counts[min(max(at, 0), bins - 1)] += 1
    most = (max(counts) + 19) // 20 * 20
    axes = Axes(figure, x_range, most, marks, "{:.0f}")
    step = (high - low) / bins
    for i, n in enumerate(counts):
        x = axes.x(low + i * step)
        figure.rect(x + 0.5, axes.y(n), axes.x(low + step) - axes.x(low) - 1,
                    axes.y(0) - axes.y(n))
    return axes


def use(results, path):
    got = results["ingest"]
    marks = [(x / 1000, f"{x / 1000:.3f}") for x in range(990, 1011, 5)]
    figure = Figure(f"{got['copies']:,} copies on {results['nodes']:,} nodes "
                    "of capacity 1:1:2:2:4", "use of a node's capacity, by "
                    "the mean", "nodes")
    axes = histogram(figure, got["use"], (0.988, 1.012), 48, marks)
    figure.line(axes.x(1.01), axes.y(0), axes.x(1.01), TOP, MARK, "4 3")
    figure.text(axes.x(1.01) - 4, TOP + 12, "target for the fullest", "end",
                ink=MARK)
    figure.text(LEFT + 12, TOP + 12, f"fullest {got['max']:.4f}, "
                f"CV {got['deviation']:.4f}", "start")
    figure.write(path)


def loss(results, path):
    got = results["zone"]
    marks = [(x / 4, f"{x / 4:.2f}") for x in range(0, 11)]
    figure = Figure(f"25 nodes lost: who takes their {got['copies']:,} copies",
                    "bytes taken by a node, by its share of the capacity",
                    "nodes")
    axes = histogram(figure, got["received"], (0, 2.5), 50, marks)
    figure.line(axes.x(1.5), axes.y(0), axes.x(1.5), TOP, MARK, "4 3")
    figure.text(axes.x(1.5) + 4, TOP + 12, "target for the busiest", "start",
                ink=MARK)
    figure.text(LEFT + 12, TOP + 12, f"busiest {got['busiest']:.2f}; moved "
                f"/ lost {got['moved_bytes'] / got['bytes']:.3f}", "start")
    figure.write(path)


def growth(results, path):
    """Sorted uses, before rebalancing; and what rebalancing moves."""
    got, moved = results["growth"], results["rebalance"]
    uses = sorted(got["use"])
    figure = Figure(f"{got['nodes']} of {len(uses):,} nodes have just joined: "
                    "nothing moves by that", "nodes, the emptiest first",
                    "use, by the mean")
    marks = [(n, f"{n:,}") for n in range(0, len(uses), 100)]
    axes = Axes(figure, (0, len(uses)), 1.2, marks, "{:.1f}")
    last = len(uses) - 1
    corners = [f"{axes.x(i):.1f},{axes.y(value):.1f}"
               for i, value in enumerate(uses)
               if i % 16 == 0 or i == last or
               abs(value - uses[i - 1]) > 0.01 or
               abs(value - uses[i + 1]) > 0.01]
    corners += [f"{axes.x(len(uses)):.1f},{axes.y(0):.1f}",
                f"{axes.x(0):.1f},{axes.y(0):.1f}"]
    figure.parts.append(
        f'<polygon points="{" ".join(corners)}" fill="{BAR}"/>')
    for level in (1.10, 1.05):
        figure.line(LEFT, axes.y(level), WIDTH - 16, axes.y(level), MARK,
                    "4 3")
    figure.text(WIDTH - 20, axes.y(1.10) - 4, "1.10: rebalancing begins",
                "end", ink=MARK)
    figure.text(WIDTH - 20, axes.y(1.05) + 14, "1.05: it ends", "end",
                ink="#fff")
    figure.text(LEFT + 80, axes.y(0.6),
                f"of the next copies {got['share_of_new'] * 100:.0f} % go to "
                f"the new nodes, {got['fair_share'] * 100:.0f} % of the "
                "capacity", "start", ink="#fff")
    figure.text(LEFT + 80, axes.y(0.45),
                f"rebalancing ({moved['nodes']} nodes and {moved['joined']} "
                f"new) moves {moved['moved_bytes'] / moved['bound']:.4f} "
                "times what must move", "start", ink="#fff")
    figure.write(path)


def shapes(results, path):
    """Sorted uses of three worlds."""
    worlds = (("ingest", BAR, "1:1:2:2:4, pins to"),
              ("steep", GREEN, "1:2:4:8:16, pins to"),
              ("tail", ORANGE, "1:1:2:2:4, pins to"))
    most = max(max(results[key]["use"]) for key, _, _ in worlds)
    step = 0.01 if most < 1.04 else 0.05
    high = 1 + (int((most - 1) / step) + 1) * step
    figure = Figure("Other capacities, larger pins", "nodes, the emptiest "
                    "first", "use, by the mean")
    n = len(results["ingest"]["use"])
    marks = [(i, f"{i:,}") for i in range(0, n + 1, max(n // 5, 1))]
    axes = Axes(figure, (0, n), 1, [(x, w) for x, w in marks], "")
    low = 2 - high

    def y(use):
        return axes.y(min(max((use - low) / (high - low), 0), 1))

    for i in range(5):
        value = low + (high - low) * i / 4
        figure.text(LEFT - 7, y(value) + 4, f"{value:.3f}", "end")
    for at, (key, ink, words) in enumerate(worlds):
        uses = sorted(results[key]["use"])
        corners = " ".join(f"{axes.x(i):.1f},{y(u):.1f}"
                           for i, u in enumerate(uses)
                           if i % max(n // 200, 1) == 0 or i == n - 1)
        figure.parts.append(f'<polyline points="{corners}" fill="none" '
                            f'stroke="{ink}" stroke-width="1.5"/>')
        figure.text(LEFT + 12, TOP + 12 + 16 * at,
                    f"{words} {results[key]['largest'] / 2 ** 30:.0f} GiB: "
                    f"fullest {uses[-1]:.4f}", "start", ink=ink)
    figure.write(path)


def reclaim(results, path):
    """Of each organisation, before one claimed its guarantee and after."""
    got = results["reclaim"]
    order = sorted(range(len(got["before"])),
                   key=lambda i: (-got["before"][i], i))
    figure = Figure("One claims its guarantee: others give back what they "
                    "borrow", "organisations, that which borrows most first",
                    "borrowed, by the own guarantee")
    most = max(got["before"])
    axes = Axes(figure, (0, len(order)), (int(most / 2) + 1) * 2, [],
                "{:.1f}")
    for at, i in enumerate(order):
        for key, ink in (("before", "#b9cce4"), ("after", BAR)):
            top = axes.y(got[key][i])
            figure.rect(axes.x(at) + 1, top, axes.x(1) - axes.x(0) - 2,
                        axes.y(0) - top, ink)
    figure.text(WIDTH - 20, TOP + 12, f"light: before, at most {most:.1f} "
                f"times; dark: after, {max(got['after']):.2f}", "end")
    figure.write(path)


def main():
    if len(sys.argv) != 3:
        sys.exit("usage: engine_figures.py JSON FOLDER")
    with open(sys.argv[1]) as f:
        results = json.load(f)["results"]
    for draw in (use, loss, growth, shapes):
        draw(results, os.path.join(sys.argv[2],
                                   f"placement-{draw.__name__}.svg"))
    reclaim(results, os.path.join(sys.argv[2], "quota-reclaim.svg"))


if __name__ == "__main__":
    main()
