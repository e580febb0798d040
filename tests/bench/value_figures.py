"""Draws docs/value-*.svg from a file that tests/bench/value --out wrote: how
a priority goes over time, what the size weight trades, what crowds and
invented reads do. Plain SVG, the same bytes for the same figures."""

import json
import os
import sys

from engine_figures import (BAR, GREEN, GREY, INK, LEFT, MARK, ORANGE, TOP,
                            WIDTH, Axes, Figure)
from value import policies


def trace(figure, axes, points, ink, dots=False):
    places = [(axes.x(x), axes.y(y)) for x, y in points]
    corners = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    figure.parts.append(f'<polyline points="{corners}" fill="none" '
                        f'stroke="{ink}" stroke-width="1.5"/>')
    for x, y in places if dots else ():
        dot(figure, x, y, ink)


def dot(figure, x, y, ink):
    figure.parts.append(
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{ink}"/>')


def named(figure, axes, x, y, words, ink, side="start", down=4):
    away = {"start": 7, "end": -7, "middle": 0}[side]
    figure.text(axes.x(x) + away, axes.y(y) + down, words, side, ink=ink)


def level(figure, axes, value, words):
    y = axes.y(value)
    figure.line(LEFT, y, WIDTH - 16, y, MARK, "4 3")
    figure.text(WIDTH - 20, y - 4, words, "end", ink=MARK)


def priority(results, path):
    got = results["curves"]
    figure = Figure("How a priority goes: quality 0.5, new on day 0", "days",
                    "P")
    axes = Axes(figure, (0, 120), 0.6, [(x, x) for x in range(0, 121, 15)],
                "{:.2f}")
    level(figure, axes, 0.125, "let in above 0.125")
    level(figure, axes, 0.075, "released below 0.075")
    for name, ink, x, y, side in (
            ("100 a day for 30 days", BAR, 34, 0.49, "start"),
            ("2,000 on the first day", GREEN, 33, 0.25, "end"),
            ("one read a day", ORANGE, 64, 0.16, "start"),
            ("never read", INK, 30, 0.05, "start")):
        trace(figure, axes, list(enumerate(got[name])), ink)
        figure.text(axes.x(x), axes.y(y), name, side, ink=ink)
    figure.write(path)


def sizes(results, path):
    """Bytes over objects: towards the upper right is better."""
    p = policies(results["main"])
    best = p["best objects"]["object"], p["best bytes"]["byte"]
    figure = Figure("What the size weight trades", "reads that hit",
                    "bytes that hit")
    axes = Axes(figure, (0.5, 1.0), 1.0,
                [(x / 10, f"{x / 10:.1f}") for x in range(5, 11)], "{:.2f}")
    y = axes.y(best[1])
    figure.line(LEFT, y, WIDTH - 16, y, MARK, "4 3")
    figure.text(LEFT + 6, y - 4, "no choice gets more bytes", "start",
                ink=MARK)
    x = axes.x(best[0])
    figure.line(x, axes.y(0), x, TOP, MARK, "4 3")
    figure.text(x + 4, axes.y(0.3), "… more reads", "start", ink=MARK)
    ship = [(p[n]["object"], p[n]["byte"]) for n in
            ("w_s 0", "w_s 0.15", "default", "w_s 0.6", "w_s 1.2")]
    free = [(p[n]["object"], p[n]["byte"]) for n in
            ("w_s 0", "open", "open, w_s 1.2")]
    trace(figure, axes, free, GREEN, True)
    trace(figure, axes, ship, BAR, True)
    for (x, y), words, side, down in zip(
            ship, ("w_s 0", "0.15", "0.30", "0.60", "1.20"),
            ("end", "middle", "end", "start", "end"), (4, -8, 14, 14, 8)):
        named(figure, axes, x, y, words, BAR, side, down)
    named(figure, axes, *free[2], "no thresholds", GREEN, "end", 18)
    for name in ("LRU", "GDSF"):
        got = p[name]
        dot(figure, axes.x(got["object"]), axes.y(got["byte"]), GREY)
        named(figure, axes, got["object"], got["byte"], name, GREY)
    moved = ", ".join(f"{words} {p[n]['churn'] * 100:.0f} %" for n, words in
                      (("LRU", "LRU"), ("GDSF", "GDSF"),
                       ("default", "Pinfold")))
    figure.text(axes.x(0.52), axes.y(0.06),
                f"moved in a day, of the budget: {moved}", "start")
    figure.write(path)


def bots(results, path):
    steps = (0, 1, 10, 144, 1000, 10000)
    figure = Figure("One organisation counts reads that nobody made",
                    "invented reads a day of each object", "%")
    marks = [(i, f"{n:,}") for i, n in enumerate(steps)]
    axes = Axes(figure, (0, len(steps) - 0.5), 100, marks, "{:.0f}")
    for policy, ink, words in (("no limits", MARK, "no limits"),
                               ("limits", BAR, "with limits")):
        got = [policies(results[f"bots {n}"])[policy] for n in steps]
        taken = [(i, g["hostile"] * 100) for i, g in enumerate(got)]
        hits = [(i, g["object"] * 100) for i, g in enumerate(got)]
        trace(figure, axes, taken, ink, True)
        trace(figure, axes, hits, ink)
        named(figure, axes, 5, hits[5][1],
              f"users' reads that hit, {words}", ink, "end", 16)
        named(figure, axes, *taken[2], f"taken, {words}", ink, "start",
              16 if ink == MARK else -6)
    figure.write(path)


def crowd(results, path):
    p = policies(results["crowds"])
    figure = Figure("A crowd comes for something that nobody read",
                    "hours since it came", "reads of the crowd that hit")
    axes = Axes(figure, (0.5, 7.4), 1.0, [(h, h) for h in range(1, 7)],
                "{:.2f}")
    for name, ink, words in (("LRU", GREY, "LRU"),
                             ("prompt", GREEN, "decided hourly"),
                             ("default", BAR, "every 6 h")):
        got = p[name]["crowd"]
        trace(figure, axes, [(h + 1, x) for h, x in enumerate(got)], ink,
              True)
        named(figure, axes, *{"LRU": (1, got[0]), "prompt": (2, 0.75),
                              "default": (6, got[5])}[name], words, ink,
              "start", 4 if name != "LRU" else 14)
    figure.write(path)


def hostile(results, path):
    """What one organisation takes, and what users of the others notice."""
    kinds = (("spam none", "nothing"), ("spam", "spam"),
             ("sizes true", "10 reads"), ("sizes declared", "and lies"),
             ("bots 144", "144 reads"), ("bots 10000", "10,000 reads"))
    figure = Figure("What one hostile organisation of 50 takes", "it does",
                    "%")
    axes = Axes(figure, (0, len(kinds)), 100,
                [(i + 0.5, words) for i, (_, words) in enumerate(kinds)],
                "{:.0f}")
    for i, (name, _) in enumerate(kinds):
        for policy, ink, at in (("no limits", MARK, 0.14),
                                ("limits", BAR, 0.52)):
            got = policies(results[name])[policy]
            top = axes.y(got["hostile"] * 100)
            figure.rect(axes.x(i + at), top, axes.x(0.34) - axes.x(0),
                        axes.y(0) - top, ink)
            dot(figure, axes.x(i + at + 0.17), axes.y(got["object"] * 100),
                ink)
    figure.text(LEFT + 12, TOP + 8, "bars: taken of the budget; dots: users' "
                "reads that hit", "start")
    figure.text(WIDTH - 20, TOP + 8, "limits of 1.5 shares", "end", ink=BAR)
    figure.text(WIDTH - 150, TOP + 8, "no limits", "end", ink=MARK)
    figure.write(path)


def main():
    if len(sys.argv) != 3:
        sys.exit("usage: value_figures.py JSON FOLDER")
    with open(sys.argv[1]) as f:
        results = json.load(f)["results"]
    for draw in (priority, sizes, bots, crowd, hostile):
        draw(results, os.path.join(sys.argv[2], f"value-{draw.__name__}.svg"))


if __name__ == "__main__":
    main()
