"""Sentences computed from the records: the first line of the page, and one under each figure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import pandas as pd

from report.board import Board
from report.comparison import ALPHA, EXACT, SEEDS, least_p
from report.effects import REST
from report.groups import Group
from report.stats import shown
from report.versus import BETTER, EQUIVALENT, SAME, WORSE


def plural(count: int, word: str) -> str:
    """`count` with its noun."""
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def listed(words: list[str], limit: int = 3) -> str:
    """Words as a phrase, a long list cut with the number of the rest."""
    if len(words) > limit:
        return f"{', '.join(words[:limit])} and {len(words) - limit} more"
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 2 else words)


def answer(boards: Sequence[Board]) -> str:
    """What all matrices of a page together say, in one sentence."""
    rows = pd.concat([board.techniques for board in boards])
    runs = pd.concat([board.frames.runs[["task", "status"]] for board in boards])
    if runs.empty:
        return "No run has finished yet."
    compared = rows[rows["family"].fillna("") != ""]
    marks, tested = Counter(compared["mark"]), int(compared["p"].notna().sum())
    said = f"Over {plural(runs['task'].nunique(), 'task')} and {plural(rows['name'].nunique(), 'technique')}, "
    apart, least = marks[BETTER] + marks[WORSE], compared["least"].min()
    if not tested:
        said += f"no difference to a baseline is tested, which takes {SEEDS} seeds"
    elif not apart and least > ALPHA:
        said += (
            f"none of {plural(tested, 'difference')} to a baseline can be marked with so few seeds (p is at least "
            f"{shown(least, 2)} after Holm)"
        )
    else:
        said += (
            f"{marks[BETTER]} of {plural(tested, 'difference')} to a baseline marked better and {marks[WORSE]} worse"
        )
    leads = [clause for board in boards if (clause := _lead(board))]
    best = [f"the best mean rank: {', '.join(leads)}"] if leads else []
    return "; ".join([said, *best, _failed(runs)]) + "."


def _lead(board: Board) -> str:
    """Who leads one matrix over all its tasks."""
    first = board.overall[board.overall["rank"] == 1]
    if len(first) != 1 or board.overall["rank"].notna().sum() < 2:
        return ""
    row = first.iloc[0]
    return f"{row['label']} on the {plural(int(row['of']), 'task')} of {board.frames.matrix}"


def headline(board: Board) -> str:
    """The answer in one sentence for each device, and how many runs failed."""
    runs = board.frames.runs
    if runs.empty:
        return "No run has finished yet."
    devices = board.overall["device"].drop_duplicates().to_list()
    clauses = [_answer(board, device, f"On {device}, over" if len(devices) > 1 else "Over") for device in devices]
    return f"{'. '.join(clauses)}; {_failed(runs)}."


def _answer(board: Board, device: str, over: str) -> str:
    mine = board.overall[board.overall["device"] == device]
    tasks, base = int(mine["of"].max()), "/".join(board.baseline or ())
    first = mine.loc[mine["rank"] == 1]
    if board.techniques["scored"].sum() == 0:
        return f"{over} {plural(tasks, 'task')}, no run has a score"
    if first.empty:
        return f"{over} {plural(tasks, 'task')}, no technique was run on every one of them: {_best(board, device)}"
    if len(mine) == 1:
        return f"{over} {plural(tasks, 'task')}, {first['name'].iloc[0]} is the only technique"
    verb = "has" if len(first) == 1 else "share"
    rank = shown(first["mean_rank"].iloc[0], 3)
    said = f"{over} {plural(tasks, 'task')}, {listed(first['name'].to_list())} {verb} the best mean rank ({rank})"
    others = mine[(mine["name"] != base) & mine["rank"].notna()]
    run_on = " run on all of them" if mine["rank"].isna().any() else ""
    if base in set(mine["name"]) and len(others):
        wins = int((others["wins"] == tasks).sum())
        beat = "has" if 1 in (wins, len(others)) else "have"
        which = f"{wins} of {plural(len(others), 'other technique')}{run_on}"
        said += f"; {which} {beat} a better mean score than {base} on {'every task' if tasks > 1 else 'it'}"
    return said


def _best(board: Board, device: str) -> str:
    """The best technique of each task, with its score."""
    found = []
    for group in (group for group in board.groups if group.device == device):
        rows = board.of(group)
        best = rows[(rows["kind"] == "technique") & rows["mean"].notna()].head(1)
        found += [
            f"{name} has {group.metric} {shown(mean)} on {group.task}"
            for name, mean in zip(best["name"], best["mean"], strict=True)
        ]
    return listed(found, 5)


def _failed(runs: pd.DataFrame) -> str:
    kinds = Counter(runs.loc[runs["status"] != "ok", "status"])
    total = plural(len(runs), "run")
    if not kinds:
        return f"none of {total} failed"
    return f"{sum(kinds.values())} of {total} failed ({', '.join(f'{n} {kind}' for kind, n in sorted(kinds.items()))})"


def heatmap(board: Board) -> str:
    """How many cells are better than the baseline, and the largest gain."""
    rows = board.techniques[board.techniques["triple"] != board.baseline]
    known = rows.dropna(subset=["difference"])
    top = known.sort_values(["difference", "name", "group"], ascending=[False, True, True]).iloc[0]
    failed = int((rows["scored"] == 0).sum())
    more = f" {plural(failed, 'cell')} failed with every seed." if failed else ""
    better = int((known["difference"] > 0).sum())
    if not better:
        return f"None of {plural(len(rows), 'cell')} is better than the baseline.{more}"
    best = f"the largest gain is {top['label']} on {top['group']} ({top['difference']:+.1f} %)"
    verb = "is" if better == 1 else "are"
    return f"{better} of {plural(len(rows), 'cell')} {verb} better than the baseline; {best}.{more}"


def seeds_for(family: int) -> int:
    """The pairs from which the best of so many techniques can be marked at all."""
    return next(n for n in range(SEEDS, EXACT + 1) if family * least_p(n) <= ALPHA or n == EXACT)


def reach(board: Board, group: Group) -> str:
    """What the comparisons of a group can show with the pairs that there are; "" where there is nothing to compare."""
    rows = board.compared(group)
    if rows.empty:
        return ""
    tested = rows.dropna(subset=["p"])
    if tested.empty:
        return f"No interval and no p: those need {SEEDS} seeds that a technique and the baseline both finished."
    pairs, floor, least = int(tested["pairs"].max()), tested["floor"].min(), tested["least"].min()
    said = f"{plural(pairs, 'pair')} can reach p = {shown(floor, 2)} at best, {shown(least, 2)} after Holm"
    if least > ALPHA:
        families = tested["family"].value_counts()
        said += f": no difference can be marked, which takes {seeds_for(int(families.max()))} pairs"
    marks = Counter(rows["mark"])
    counts = [f"{marks[mark]} {word} ({mark})" for mark, word in MARKED.items() if marks[mark]]
    return f"{said}." + (f" Of {plural(len(rows), 'technique')}: {', '.join(counts)}." if counts else "")


MARKED = {BETTER: "better", WORSE: "worse", EQUIVALENT: "equivalent", SAME: "the same with every seed"}


def comparison(board: Board) -> str:
    """How many comparisons are decided, over all tasks."""
    rows = board.techniques[board.techniques["family"].fillna("") != ""]
    marks, tested = Counter(rows["mark"]), int(rows["p"].notna().sum())
    counts = [f"{marks[mark]} {word}" for mark, word in MARKED.items() if marks[mark]]
    apart = marks[BETTER] + marks[WORSE]
    said = f"Of {plural(len(rows), 'comparison')}, {tested} with an interval: {', '.join(counts) or 'none decided'}"
    least = rows["least"].min()
    if not apart and least > ALPHA:
        said += f"; with these seeds no p could be below {shown(least, 2)} after Holm, so no difference could be marked"
    return f"{said}."


def ranks(board: Board) -> str:
    """Whether mean ranks over tasks differ at all, axis by axis."""
    said = []
    for each in board.families:
        if each.ranks and not math.isnan(each.ranks.p):
            verdict = "differ" if each.ranks.p <= ALPHA else "do not differ more than by chance"
            said.append(f"{each.axis}: ranks {verdict} (Friedman p = {shown(each.ranks.p, 2)})")
        elif each.ranks:
            said.append(f"{each.axis}: all techniques tie on every task")
    text = "; ".join(said)
    return f"{text[:1].upper()}{text[1:]}."


def profile(board: Board) -> str:
    """The best score of each axis."""
    said = []
    for each in board.families:
        if not math.isnan(each.scores[0]):
            best = max(each.scores)
            names = [label for label, score in zip(each.labels, each.scores, strict=True) if score == best]
            said.append(f"{each.axis}: {listed(names)} ({shown(best, 2)})" if best else f"{each.axis}: none")
    return f"Best profile scores: {'; '.join(said)}."


def arrival(board: Board) -> str:
    """How many runs reached their target."""
    there = int(board.arrivals["reached"].sum())
    return f"{there} of {plural(len(board.arrivals), 'run')} reached the target of their task; the others are censored."


def explained(board: Board) -> str:
    """The axis that explains most, task by task."""
    tops = Counter(
        max((e for e in found if not math.isnan(e.share) and e.term != REST), key=lambda e: e.share).term
        for found in board.explained.values()
    )
    said = [f"{' × '.join(term)} on {plural(count, 'task')}" for term, count in tops.most_common()]
    pairs = any(len(e.term) > 1 and e.degrees for found in board.explained.values() for e in found)
    alone = "" if pairs else " Techniques were varied one at a time, so no interaction of two can be seen."
    return f"Most is explained by {listed(said)}.{alone}"


def learning(board: Board) -> str:
    """Who reached the target first, on how many tasks."""
    rows = board.techniques.dropna(subset=["to_target"])
    with_target = sum(not math.isnan(group.target) for group in board.groups)
    if rows.empty:
        return (
            "There is no target to reach: no run of the baseline has a learning curve."
            if not with_target
            else "No run reached a target."
        )
    rows = rows[(rows["triple"] != board.baseline) & (rows["reached"] == rows["seeds"])]
    if rows.empty:
        return "No other technique reached the baseline's best validation value with every seed."
    top = rows.sort_values(["group", "to_target", "name"]).drop_duplicates("group")
    said = [f"{row.label} on {row.group} (after {row.to_target:.0f} updates)" for row in top.itertuples()]
    return f"First to the baseline's best validation value with every seed: {listed(said)}."


def seconds(board: Board) -> str:
    """Who reached the target in the fewest seconds, task by task."""
    rows = board.techniques.dropna(subset=["seconds"])
    rows = rows[rows["reached"] == rows["watched"]]
    if rows.empty:
        return "No timed technique reached its target with every seed."
    top = rows.sort_values(["group", "seconds", "name"]).drop_duplicates("group")
    said = [f"{row.label} on {row.group} ({shown(row.seconds, 3)} s)" for row in top.itertuples()]
    return f"First to the target in seconds, with every seed: {listed(said)}."


def best_update(board: Board) -> str:
    """How many runs went on past their best point."""
    runs = board.frames.runs.dropna(subset=["best_step", "steps"])
    early = int((runs["best_step"] < runs["steps"]).sum())
    half = int((2 * runs["best_step"] <= runs["steps"]).sum())
    return (
        f"{early} of {plural(len(runs), 'run')} had their lowest validation loss before their last evaluation, {half} "
        "in the first half."
    )


def _reach(board: Board) -> pd.Series:
    return board.techniques.groupby("label")["half_life"].median().dropna().sort_values(kind="stable")


def gradients(board: Board) -> str:
    """How training changed the reach of gradients."""
    rows = board.techniques.dropna(subset=["half_life", "half_start"])
    if rows.empty:
        return "The records hold no half-life to compare."
    longer = int((rows["half_life"] > rows["half_start"]).sum())
    return f"Training lengthened the reach of the gradient in {longer} of {plural(len(rows), 'configuration')}."


def _steps(value: float) -> str:
    return "does not decay" if math.isinf(value) else f"{shown(value, 3)} steps"


def half_life(board: Board) -> str:
    """The shortest and the longest reach."""
    reach = _reach(board)
    if len(reach) == 1:
        return f"{reach.index[0]}: {_steps(reach.iloc[0])} (median over tasks)."
    ends = f"{reach.index[0]} ({_steps(reach.iloc[0])}); longest: {reach.index[-1]} ({_steps(reach.iloc[-1])})"
    return f"Shortest median over tasks: {ends}."


def gap(board: Board) -> str:
    """The smallest and the largest gap against the baseline's."""
    rows = board.techniques.dropna(subset=["gap"])
    base = rows[rows["triple"] == board.baseline].drop_duplicates("group").set_index("group")["gap"]
    others = rows[(rows["triple"] != board.baseline) & rows["group"].isin(base.index)]
    if others.empty:
        return f"The mean gap is {shown(float(rows['gap'].mean()), 3)}."
    smaller = int((others["gap"] < base.reindex(others["group"]).to_numpy()).sum())
    return f"{smaller} of {plural(len(others), 'cell')} overfit less than the baseline on the same task."


def failures(board: Board) -> str:
    """How many runs of how many techniques failed."""
    rows = board.techniques[board.techniques["failed"] > 0]
    return f"{_failed(board.frames.runs).capitalize()}, of {plural(rows['name'].nunique(), 'technique')}."
