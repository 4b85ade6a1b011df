"""Results as text for people, as Markdown for docs/speed.md, as JSON."""
import os
import time


def mark(row, figures):
    if row.goal is None or row.of not in figures:
        return ""
    return "ok" if row.met(figures[row.of]) else "under" if row.least else "over"


def number(value, unit):
    if unit in ("KiB", "calls", "rules"):
        return "%d" % value
    return "%.2f" % value if value < 10 else "%.1f" % value


def heading(row):
    return "%s   (goal: %s)" % (row.title, row.aim())


def text(row, subject):
    """The block of one row."""
    lines = [heading(row)]
    columns = list(dict.fromkeys(k for v in row.values.values() for k in v))
    if columns:
        lines.append("  %-16s" % "" + "".join("%11s" % k for k in columns))
    for c, figures in row.values.items():
        cells = "".join("%11s" % (number(figures[k], row.unit) if k in figures else "") for k in columns)
        verdict = mark(row, figures) if c is subject else ""
        lines.append(("  %-16s%s  %s" % (c.label(), cells, verdict)).rstrip())
    for c, why in row.failed.items():
        lines.append("  %-16s  does not run here: %s" % (c.label(), why))
    return "\n".join(lines) + "\n"


def cell(row, c, bold=False):
    figures = row.values.get(c)
    if not figures:
        return "–" if c not in row.failed else "does not run"
    said = number(figures[row.of], row.unit) if row.of in figures else "–"
    if "ratio" in figures:
        said += " (%s ms)" % number(figures["median"], "ms")
    elif row.of == "cpu":
        said += " (%s ms)" % number(figures["median"], "ms")
    return "**%s**" % said if bold else said


def markdown(results, contenders, subject, about):
    """The table of docs/speed.md."""
    shown = [c for c in contenders if any(c in r.values or c in r.failed for r in results)]
    lines = [about, "", "| | goal | " + " | ".join(c.label() for c in shown) + " | |",
             "|---|---|" + "---|" * (len(shown) + 1)]
    for r in results:
        cells = [cell(r, c, c is subject) for c in shown]
        verdict = mark(r, r.values.get(subject, {}))
        lines.append("| %s | %s | %s | %s |" % (r.title, r.aim(), " | ".join(cells), verdict))
    return "\n".join(lines)


def about(loads, rounds):
    """Where and how the figures were taken."""
    uname = os.uname()
    return ("Kernel %s, %d processors, load %.1f at the start and %.1f at the end, %d rounds, %s. "
            "Ratios are medians of the ratios to the floor of the same round, with the median in brackets."
            % (uname.release, os.cpu_count(), loads[0], loads[1], rounds, time.strftime("%Y-%m-%d")))


def as_data(results, subject, about_text):
    rows = []
    for r in results:
        rows.append({"row": r.key, "title": r.title, "figure": r.of, "unit": r.unit, "goal": r.goal,
                     "verdict": mark(r, r.values.get(subject, {})),
                     "values": {c.name: v for c, v in r.values.items()},
                     "does_not_run": {c.name: why for c, why in r.failed.items()}})
    return {"schema": "vzrun-bench/1", "about": about_text, "rows": rows}
