"""What ``ensembler subsets`` says, from the plain values of a study."""

from typing import Any

from ensembler.metrics import METRICS
from ensembler.report.tables import Document, Table, count, number
from ensembler.subsets.describe import natural

CHOSEN, LUCKIEST = "★", "†"


def subsets_document(found: dict[str, Any]) -> Document:
    """Arrange a described study for reading."""
    parts: list[Table | str] = [introduction(found)]
    for rule in found["rules"]:
        parts += [best_table(rule, found), size_table(rule, found)]
        if rule["members"] is not None:
            parts.append(members_table(rule, found))
        if rule["regret"] is not None and len(rule["regret"]) > 1:
            parts.append(regret_table(rule, found))
        if rule["cost"] is not None:
            parts.append(cost_table(rule))
        parts.append(conclusion(rule, found))
    parts += [f"Left out: {one['name']}: {one['reason']}" for one in found["left_out"]]
    return Document(parts)


def introduction(found: dict[str, Any]) -> str:
    """Say what was swept, what was fitted where, and how a committee is chosen."""
    protocol = found["protocol"]
    text = f"{len(found['members'])} members, {found['n_classes']} classes. "
    folds = f"{protocol['folds']}-fold cross-fitting (seed {protocol['seed']})" if protocol["folds"] else "no folds"
    match protocol["fit_on"]:
        case "val":
            text += (
                f"Committees are chosen on {protocol['n_fit']:,} validation rows (weights by {folds} inside them) and "
                f"scored on {protocol['n_scored']:,} others."
            )
        case "part":
            text += (
                f"Committees are chosen on {protocol['n_fit']:,} of the rows and scored on {protocol['n_scored']:,}."
            )
        case "cross":
            text += f"Weights by {folds}; committees are chosen and scored on the same {protocol['n_scored']:,} rows."
        case _:
            text += f"OPTIMISTIC: fitted on the {protocol['n_scored']:,} rows that are scored."
    if protocol["optimistic"] and protocol["fit_on"] != "test":
        text += " OPTIMISTIC: these are the same rows."
    if found["must"]:
        text += f" Every committee has {', '.join(found['must'])}."
    if found["weights_frozen"]:
        text += " Weights are fitted once, on all members, and stay as they are in every committee."
    if found["calibrate"] == "members":
        text += " Each member has a temperature, fitted where weights are."
    return text + "".join(f" Note: {note}." for note in protocol["notes"])


def short(members: list[str], names: list[str]) -> str:
    """Name the members of a committee, or those that are missing where that is shorter."""
    missing = [name for name in names if name not in members]
    if not missing:
        return "all"
    return "all but " + ", ".join(missing) if len(members) > len(missing) + 1 else ", ".join(members)


def best_table(rule: dict[str, Any], found: dict[str, Any]) -> Table:
    """Show the best committees in the order of the rows they are chosen by."""
    names, metric = found["members"], found["metric"]
    chosen = rule["chosen"] and rule["chosen"]["mask"]
    lucky = rule["luckiest"]["mask"]
    listed = list(rule["best"])
    if lucky not in [entry["mask"] for entry in listed]:
        listed.append(rule["luckiest"])
    if rule["whole"] is not None and rule["whole"]["mask"] not in [entry["mask"] for entry in listed]:
        listed.append(rule["whole"])
    inside = any(entry["val_accuracy"] is not None for entry in listed)
    rows = []
    for entry in listed:
        marks = (CHOSEN if entry["mask"] == chosen else "") + (LUCKIEST if entry["mask"] == lucky else "")
        cells = [marks, short(entry["members"], names), str(entry["size"])]
        if metric != "accuracy":
            cells += [number(entry["val_value"])] * inside + [number(entry["value"])]
        cells += [number(entry["val_accuracy"])] * inside + [number(entry["accuracy"])]
        rows.append(cells)
    headers = ["", "committee", "size"]
    if metric != "accuracy":
        headers += [f"{metric}\nto choose"] * inside + [metric]
    headers += ["acc.\nto choose"] * inside + ["accuracy"]
    title = f"Best committees of {rule['n_subsets']:,}: {rule['rule']}"
    title += " (optimistic)" if rule["optimistic"] else ""
    strong = [row for row, entry in enumerate(listed) if entry["mask"] == chosen]
    notes = [f"{CHOSEN} chosen without the scored rows   {LUCKIEST} luckiest: best on the scored rows"]
    if found["protocol"]["optimistic"]:
        notes = [f"{CHOSEN} chosen by cross-fitting on the scored rows themselves   {LUCKIEST} luckiest"]
    if not inside and rule["nested"] is not None:
        notes = [f"{CHOSEN} best   {LUCKIEST} luckiest; on the same rows, so the best one is also the luckiest"]
    return Table(title, headers, rows, [*notes, *rule["notes"]], left=(0, 1), strong=strong)


def size_table(rule: dict[str, Any], found: dict[str, Any]) -> Table:
    """Show how size pays on the scored rows."""
    names = found["members"]
    rows = [
        [
            str(one["size"]),
            f"{one['n_subsets']:,}",
            number(one["worst"]),
            number(one["median"]),
            number(one["best"]),
            short(one["members"], names),
        ]
        for one in rule["by_size"]
    ]
    headers = ["size", "committees", "worst", "median", "best", "the best of that size, on the scored rows"]
    return Table(f"How size pays: {rule['rule']}, {found['metric']} on the scored rows", headers, rows, left=(5,))


def members_table(rule: dict[str, Any], found: dict[str, Any]) -> Table:
    """Show what each member is worth, most first."""
    effects = rule["effects"]
    ranked = sorted(rule["members"], key=lambda member: -member["shapley"])
    rows = [
        [
            member["name"],
            number(member["alone"]),
            number(member["shapley"], sign=True),
            number(member["banzhaf"], sign=True),
            number(member["helped"], 3),
            number(member["hurt"], 3),
            number(member["mean_effect"], sign=True),
        ]
        for member in ranked
    ]
    signed = "" if METRICS[found["metric"]].greater_is_better else " (sign turned: more is better)"
    nobody = number(effects["no_member"])
    notes = [
        f"Shapley values add up to {found['metric']} of all members minus {nobody} of none{signed}",
        f"adding a member to a committee helped in {number(effects['helped_at_all'], 3)} of all cases",
    ]
    if effects["sampled"]:
        error = max(member["standard_error"] for member in rule["members"])
        notes.append(f"helped and hurt are from {effects['n_pairs']:,} sampled pairs, standard error up to {error:.4f}")
    headers = ["member", "alone", "Shapley", "Banzhaf", "helped", "hurt", "mean\neffect"]
    return Table(f"What each member is worth: {rule['rule']}", headers, rows, notes)


def regret_table(rule: dict[str, Any], found: dict[str, Any]) -> Table:
    """Show how far shortcuts stay behind the optimum of each size."""
    rows = [
        [
            str(one["size"]),
            number(natural(one["optimum"], found["metric"])),
            *(number(one[key]) for key in ("forward", "backward", "top_k")),
        ]
        for one in rule["regret"]
    ]
    title = f"Shortcuts: {rule['rule']}"
    notes = ["by how much each shortcut stays behind the best committee of the size, on the rows to choose by"]
    return Table(title, ["size", "optimum", "greedy\nforward", "greedy\nbackward", "top k"], rows, notes, left=())


def cost_table(rule: dict[str, Any]) -> Table:
    """Show the committees that no cheaper one equals."""
    cost = rule["cost"]
    rows = [
        [
            "→" if entry["mask"] == cost["thrifty"]["mask"] else "",
            f"{entry['cost']:,.0f}" if entry["cost"] >= 100 else f"{entry['cost']:.4g}",
            number(entry["val_accuracy"]),
            number(entry["accuracy"]),
            ", ".join(entry["members"]),
        ]
        for entry in cost["front"]
    ]
    notes = [
        "→ the cheapest within one standard error (of the paired difference) of the best, on the rows to choose by"
    ]
    headers = ["", cost["unit"], "acc.\nto choose", "accuracy", "committee"]
    return Table(f"Cost against accuracy: {rule['rule']}", headers, rows, notes, left=(0, 4))


def compared(test: dict[str, Any]) -> str:
    """Say how all members together compare with the chosen committee, of which the test is."""
    points = -100 * test["difference"]
    text = f", {abs(points):.2f} points {'worse' if points < 0 else 'better'}" if points else ", no difference"
    if test["interval"] is None:
        return f"{text}, untested"
    low, high = (round(-100 * end, 2) + 0.0 for end in reversed(test["interval"]))  # no minus before 0
    return f"{text} (95 % interval {low:+.2f} to {high:+.2f}), {'not noise' if test['significant'] else 'within noise'}"


def conclusion(rule: dict[str, Any], found: dict[str, Any], advice: str = "use") -> str:
    """Say which committee to use and how lucky the best one was."""
    chosen, lucky, metric = rule["chosen"], rule["luckiest"], found["metric"]
    key = "accuracy" if metric == "accuracy" else "value"
    if chosen is None:
        text = f"{rule['rule']}: no committee could be chosen without the scored rows."
    else:
        names = short(chosen["members"], found["members"])
        text = f"{rule['rule']}: {advice} {names} ({count(chosen['size'], 'member')}): {metric} {number(chosen[key])}."
        if rule["whole"] is not None:
            text += f" All members together reach {number(rule['whole'][key])}"
            text += f"{compared(rule['against_whole'])}." if rule["against_whole"] is not None else "."
    if rule["nested"] is not None:
        text += f" Choosing a committee anew in each fold reached {number(rule['nested'])}: the honest figure."
    if rule["optimism"] is not None and rule["optimism"]["optimism"] > 0:
        bound = "at least " if rule["optimism"]["lower_bound"] else ""
        text += (
            f" The luckiest has {number(lucky[key])}, of which {bound}{number(rule['optimism']['optimism'])} is luck "
            f"(bootstrap bias correction leaves {number(rule['optimism']['corrected'])})."
        )
    return text
