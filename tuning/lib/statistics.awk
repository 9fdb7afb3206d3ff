# The effect of one trial: medians of paired differences with bootstrap intervals, from rows of
#   PAIR <tab> before|after <tab> RATE <tab> P50 <tab> P99 <tab> CPU <tab> KIB <tab> NOT_OK <tab> VERDICT
# A figure that a load does not have is -.
# Variables: seed, resamples. Its own generator of chance, so that every awk gives the same figures.

BEGIN {
    FS = "\t"
    split("throughput,p50,p99,CPU per answer,kernel memory", names, ",")
    split("/s  | µs | µs | µs | KiB", units, "|")
    state = seed % 2147483646 + 1
}

{
    if ($1 > pairs) pairs = $1
    not_ok[$2] += $8
    runs++
    if ($9 == "fail") failed++
    for (metric = 1; metric <= 5; metric++) value[metric, $1, $2] = $(metric + 2)
}

END {
    for (metric = 1; metric <= 5; metric++) tell(metric)
    if (not_ok["before"] + not_ok["after"] > 0)
        printf "  requests that were not answered well: %d before, %d after\n", not_ok["before"], not_ok["after"]
    if (failed > 0)
        printf "  loadgen found itself disturbed in %d of %d runs: read their percentiles with care\n", failed, runs
}

function tell(metric,    pair, count, before, after) {
    count = 0
    for (pair = 1; pair <= pairs; pair++) {
        before = value[metric, pair, "before"]
        after = value[metric, pair, "after"]
        if (before == "-" && after == "-") return
        if (before !~ /^[0-9.]+$/ || after !~ /^[0-9.]+$/ || before + 0 == 0) continue
        count++
        befores[count] = before + 0
        difference[count] = (after - before) / before * 100
    }
    if (count < 2) {
        printf "  %-16s not enough answers to tell\n", names[metric]
        return
    }
    interval(count)
    printf "  %-16s %9s%s  %+.1f %% [%+.1f, %+.1f]  %s\n", names[metric], short(median_of(befores, count)),
        units[metric], median_of(difference, count), low, high, verdict(count)
}

# The middle 99 % of medians of resampled differences, to low and high.
function interval(count,    round, draw) {
    for (round = 1; round <= resamples; round++) {
        for (draw = 1; draw <= count; draw++) sample[draw] = difference[int(chance() * count) + 1]
        medians[round] = median_of(sample, count)
    }
    sort(medians, resamples)
    low = medians[int(resamples * 0.005) + 1]
    high = medians[int(resamples * 0.995)]
}

# Of fewer than eight differences not even the widest interval has the median in it with 99 % confidence: 1 - 2 / 2^n.
function verdict(count,    hidden) {
    if (count < 8) return "too few pairs to tell"
    if (low > 0) return "higher"
    if (high < 0) return "lower"
    hidden = high > -low ? high : -low
    return hidden > 10 ? sprintf("no effect seen; noise hides %.0f %%", hidden) : "no effect"
}

function short(figure) {
    return sprintf(figure < 100 ? "%.2f" : "%.0f", figure)
}

function median_of(list, count,    copy, i) {
    for (i = 1; i <= count; i++) copy[i] = list[i]
    sort(copy, count)
    return count % 2 ? copy[(count + 1) / 2] : (copy[count / 2] + copy[count / 2 + 1]) / 2
}

# Shell sort: lists are short, and the longest is that of medians.
function sort(list, count,    gap, i, j, held) {
    for (gap = int(count / 2); gap > 0; gap = int(gap / 2))
        for (i = gap + 1; i <= count; i++) {
            held = list[i]
            for (j = i; j > gap && list[j - gap] > held; j -= gap) list[j] = list[j - gap]
            list[j] = held
        }
}

# Park and Miller's minimal standard generator: exact in the doubles of awk.
function chance() {
    state = state * 16807 % 2147483647
    return state / 2147483647
}
