"""The learning curve of a project, with what the next round is expected to bring."""

from __future__ import annotations

import io

from bench.project.status import Status

INK = "#6b7280"
CURVE = "#0072b2"
NEXT = "#d55e00"


def learning_curve(found: Status) -> str:
    """Return the curve as SVG; "" while there is no score."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    measured = [line for line in found.rounds if line.score.dice is not None]
    if not measured:
        return ""
    with rc_context({"svg.hashsalt": "alseg", "svg.fonttype": "none", "font.family": "sans-serif"}):
        figure = Figure(figsize=(7.2, 3.4), layout="constrained")
        figure.patch.set_alpha(0)
        axes = figure.subplots()
        axes.patch.set_alpha(0)
        slices = [line.labelled for line in measured]
        dice = [float(line.score.dice or 0.0) for line in measured]
        axes.plot(slices, dice, "o-", color=CURVE, label="measured")
        for line in measured:
            if line.score.interval is not None:
                axes.plot([line.labelled] * 2, line.score.interval, color=CURVE, alpha=0.45)
        ahead = found.outlook
        if ahead is not None and ahead.score is not None and ahead.interval is not None:
            then = ahead.slices + ahead.batch
            axes.plot([slices[-1], then], [dice[-1], ahead.score], "--", color=NEXT)
            low, high = ahead.interval
            axes.errorbar(
                [then],
                [ahead.score],
                [[ahead.score - low], [high - ahead.score]],
                fmt="D",
                color=NEXT,
                capsize=4,
                label="expected next, 80 % interval",
            )
        axes.set_xlabel("annotated slices", color=INK)
        axes.set_ylabel("mean Dice", color=INK)
        axes.tick_params(colors=INK)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
        for side in ("bottom", "left"):
            axes.spines[side].set_color(INK)
        axes.grid(alpha=0.25)
        axes.legend(frameon=False, labelcolor=INK)
        out = io.StringIO()
        figure.savefig(out, format="svg", metadata={"Date": None})
    svg = out.getvalue()
    return svg[svg.index("<svg") :]
