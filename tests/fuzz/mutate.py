"""Changes to files: of bytes, and of the leaves of JSON documents."""

import copy
import json
import random

INTERESTING = tuple(b"\x00|\xff|\x7f\xff\xff\xff|\xff\xff\xff\xff\xff\xff\xff|(|{|nan|1e999|\n|\x1b[".split(b"|"))
LEAVES = (
    None, True, -1, 0, 1.5, 10**18, -(10**400), 1e308, "", "nan", "\ud800", "a" * 300, "../../x", "\x1b[2J", [], {},
    [[]], {"a": 1}, [1, "a"], [None], "S2000000000",
)  # fmt: skip


def mutate_bytes(content: bytes, rng: random.Random) -> bytes:
    """Return content with one to four changes."""
    data = bytearray(content)
    for _ in range(rng.randint(1, 4)):
        place = rng.randrange(len(data) + 1)
        # Headers decide more than numbers do.
        place = min(place, rng.randrange(200)) if rng.random() < 0.5 else place
        choice = rng.randrange(7)
        if choice == 0 and data:
            data[place % len(data)] ^= 1 << rng.randrange(8)
        elif choice == 1 and data:
            data[place % len(data)] = rng.randrange(256)
        elif choice == 2:
            data[place:place] = rng.choice(INTERESTING)
        elif choice == 3:
            del data[place : place + rng.choice((1, 2, 7, 50, 1000))]
        elif choice == 4:
            del data[place:]
        elif choice == 5:
            chunk = data[place : place + rng.choice((1, 8, 64))]
            data[place:place] = chunk * rng.randint(1, 5)
        else:
            new = rng.choice(INTERESTING)
            data[place : place + len(new)] = new
    return bytes(data)


def mutate_json(content: bytes, rng: random.Random) -> bytes:
    """Return a document with one leaf or key changed, or its bytes."""
    if rng.random() < 0.3:
        return mutate_bytes(content, rng)
    document = copy.deepcopy(json.loads(content))
    places = list(leaves(document))
    if not places:
        return mutate_bytes(content, rng)
    holder, key = rng.choice(places)
    choice = rng.randrange(5)
    if choice == 0:
        del holder[key]
    elif choice == 1 and isinstance(holder, dict):
        holder[rng.choice(("", "extra", "__class__", "scores", "\ud800", str(key) + " "))] = holder[key]
    elif choice == 2 and isinstance(holder[key], (int, float)):
        holder[key] = holder[key] * rng.choice((-1, 0, 2, 1e300, 1e-300))
    elif choice == 3 and isinstance(holder[key], list):
        holder[key] = holder[key] * 2 if rng.random() < 0.5 else holder[key][:-1]
    else:
        holder[key] = rng.choice(LEAVES)
    try:
        return json.dumps(document).encode()
    except (ValueError, OverflowError):
        return mutate_bytes(content, rng)


def leaves(value, level=0):
    """Yield each place in a document, as its holder and its key."""
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        if level < 6:
            yield from leaves(value[key], level + 1)
