"""Whether a run's own labels have eaten it: rules on the numbers of two reports in a row. docs/campaigns.md has them in words.

Pure functions of reports. A rule that lacks a number says nothing: a supervised run has no alarm.
"""

from __future__ import annotations

from collections.abc import Mapping

ONE_CLASS = 0.99  # share of a teacher's pixels in one class
SEVERAL = 0.95  # share of the labelled images' commonest class, above which that is no wonder
NEVER = 0.25  # share of the labelled classes that no teacher says any more
FALLEN = 0.5  # of the best score on the way
WORTH = 5.0  # per cent of mIoU, below which there is nothing to fall from
SAME_WEIGHTS = 1e-3  # relative distance of two students
SAME_LABELS = 0.999  # share of pixels that teachers label alike
COLLAPSED, COUPLED = "collapsed", "coupled"  # keys of a report
SCORE, BEST = "miou", "best/miou"
READ = (SCORE, BEST, "labels/top_share", "pseudo/never", "pseudo/top_share/", "pairs/agree", "pairs/distance/")

Report = Mapping[str, float | int | str]


def alarms(before: Report, now: Report) -> dict[str, str]:
    """{"collapsed": why} or {"coupled": why}, or nothing.   before, now: the metrics of two reports in a row; an empty one for
    the first. A collapsed run's networks are often one, too: then the collapse alone is told."""
    if why := _one_class(before, now) or _fallen(before, now):
        return {COLLAPSED: why}
    why = _coupled(before, now)
    return {COUPLED: why} if why else {}


def remembered(report: Report) -> dict[str, float | int | str]:
    """The part of a report that the next one's alarms read."""
    return {key: value for key, value in report.items() if key.startswith(READ)}


def _one_class(before: Report, now: Report) -> str:
    """A teacher gives nearly all pixels to one class, twice, the labelled images have others, and the score does not rise."""
    labelled, was, score = (
        _number(now, "labels/top_share", 1.0),
        _number(before, SCORE, 0.0),
        _number(now, SCORE, 100.0),
    )
    if labelled >= SEVERAL or score > was:
        return ""
    for key in sorted(now):
        if key.startswith("pseudo/top_share/"):
            last, share = _number(before, key, 0.0), _number(now, key, 0.0)
            if min(last, share) > ONE_CLASS:
                who = key.rpartition("/")[2]
                return (
                    f"{who} says one class on {last:.2%} and then {share:.2%} of the pixels (the commonest has "
                    f"{labelled:.0%} of the labelled ones) and mIoU does not rise ({was:.1f}, {score:.1f})"
                )
    return ""


def _fallen(before: Report, now: Report) -> str:
    """Twice the score is below half of its best on the way, while labelled classes are said by no teacher."""
    never = min(_number(report, "pseudo/never", 0.0) for report in (before, now))
    best = _number(now, BEST, 0.0)
    scores = [_number(report, SCORE, 100.0) for report in (before, now)]
    if never < NEVER or best < WORTH or max(scores) >= FALLEN * best:
        return ""
    return (
        f"no teacher says any of {now['pseudo/never']:.0%} of the labelled classes and mIoU is {scores[0]:.1f} and then "
        f"{scores[1]:.1f}, after {best:.1f}"
    )


def _coupled(before: Report, now: Report) -> str:
    """Twice two students have nearly the same weights, or all teachers nearly the same labels."""
    for key in sorted(now):
        if key.startswith("pairs/distance/"):
            gaps = [_number(report, key, 1.0) for report in (before, now)]
            if max(gaps) < SAME_WEIGHTS:
                return f"{key.rpartition('/')[2]} are one network: their weights are {gaps[1]:.1e} apart"
    alike = [_number(report, "pairs/agree", 0.0) for report in (before, now)]
    return f"the teachers label {alike[1]:.3%} of the pixels alike" if min(alike) > SAME_LABELS else ""


def _number(report: Report, key: str, otherwise: float) -> float:
    return float(report.get(key, otherwise))
