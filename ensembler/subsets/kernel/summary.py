"""What is kept of a shard's counts, in one pass."""

from ensembler.subsets.kernel.compiling import compiled


@compiled
def summarise(counts, sizes, most, by_high, by_size, inside, totals, best, histogram):
    """Sum up the counts (2^b,) of the subsets of b members; those that are negative were not asked for.

    To ``histogram`` (b + 1, N + 1) is added how many subsets of each size have each count, to ``inside`` (b, b + 1) the
    sum of the counts of the subsets of each size that have a member, to ``totals`` (b + 1,) that of all; ``best``
    (b + 1,) is the first place of the largest count of each size, -1 where there is none.

    Places are a matrix over (upper half of the bits, lower half). Its rows are added up by the size of their upper
    half. What is left of a row are sums by size, by folding it again and again: the half with a member is added to the
    other, one size further on. ``sizes`` are those of half of the bits; ``most`` (b + 1,), -1 at first, ``by_high`` and
    ``by_size``, zeros, are where that is done.
    """
    n_bits = len(inside)
    n_low = n_bits // 2
    n_high, width = n_bits - n_low, 1 << n_low
    for high in range(1 << n_high):
        row, size_high = counts[high * width : (high + 1) * width], sizes[high]
        for low in range(width):
            count, size = row[low], size_high + sizes[low]
            if count >= 0:
                histogram[size, count] += 1
                if count > most[size]:
                    most[size], best[size] = count, high * width + low
        for low in range(width):
            count = max(row[low], 0)
            by_high[size_high, low] += count
            by_size[0, low] = count
        for folded in range(n_low):
            half = width >> (folded + 1)
            by_size[folded + 1, :half] = 0
            for size in range(folded, -1, -1):
                for low in range(half):
                    by_size[size + 1, low] += by_size[size, half + low]
        for size_low in range(n_low + 1):
            total, size = by_size[size_low, 0], size_high + size_low
            totals[size] += total
            for bit in range(n_high):
                inside[n_low + bit, size] += total * (high >> bit & 1)
    for size_high in range(n_high + 1):
        for low in range(width):
            for bit in range(n_low):
                inside[bit, size_high + sizes[low]] += by_high[size_high, low] * (low >> bit & 1)
