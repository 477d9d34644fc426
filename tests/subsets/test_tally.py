"""What is kept of a shard equals plain enumeration, by compiled code and without."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ensembler.subsets.kernel.counter import summarise_counts
from ensembler.subsets.plan import make_plan
from ensembler.subsets.tally import Layout, summarise_values, tally_shard


def draw(bits, n_rows, share, seed):
    """Return counts that tie often, -1 where they are not wanted."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, n_rows + 1, 1 << bits).astype(np.int32)
    counts[rng.random(1 << bits) < share] = -1
    return counts


def enumerated(counts, masks, n_members, n_rows, top):
    """Return histogram, sums, best and top committees, one committee after another."""
    histogram, inside = np.zeros((n_members + 1, n_rows + 1)), np.zeros((n_members, n_members + 1))
    best = {}
    found = [
        (-int(count), int(mask).bit_count(), int(mask)) for count, mask in zip(counts, masks, strict=True) if count >= 0
    ]
    for negative, size, mask in found:
        histogram[size, -negative] += 1
        for member in range(n_members):
            inside[member, size] -= negative * (mask >> member & 1)
        best[size] = min(best.get(size, (1, 0)), (negative, mask))
    return histogram, inside, best, sorted(found)[:top]


@settings(max_examples=60, deadline=None)
@given(
    bits=st.integers(1, 9),
    n_fixed=st.integers(0, 2),
    n_rows=st.integers(1, 300),
    share=st.sampled_from([0.0, 0.4, 1.0]),
    top=st.sampled_from([1, 5, 1000]),
    seed=st.integers(0, 1000),
)
@pytest.mark.parametrize("compiled", [True, False])
def test_a_shard_is_summed_up(compiled, bits, n_fixed, n_rows, share, top, seed):
    counts = draw(bits, n_rows, share, seed)
    n_members = bits + n_fixed
    layout = Layout(make_plan(n_members, shard_bits=bits))
    shard = (1 << n_fixed) - 1
    masks = layout.masks + (shard << bits)
    values = counts if compiled else np.where(counts >= 0, counts, np.nan)
    wanted = counts >= 0
    summary = summarise_counts(counts, n_rows) if compiled else summarise_values(values, wanted, layout, n_rows)
    tally = tally_shard(values, wanted, summary, shard, layout, top)
    histogram, inside, best, first = enumerated(counts, masks, n_members, n_rows, top)
    assert tally.histogram.tolist() == histogram.tolist()
    assert tally.inside.tolist() == inside.tolist()
    assert tally.totals.tolist() == (histogram @ np.arange(n_rows + 1)).tolist()
    reached = [best.get(size, (np.inf, -1)) for size in range(n_members + 1)]
    assert tally.best_values.tolist() == [-negative for negative, _ in reached]
    assert tally.best_masks.tolist() == [mask for _, mask in reached]
    assert tally.top_masks.tolist() == [mask for _, _, mask in first]
    assert tally.top_values.tolist() == [-negative for negative, _, _ in first]
    assert tally.top_sizes.tolist() == [size for _, size, _ in first]
