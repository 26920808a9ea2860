// Statistics of small bins, many bins side by side, one in each lane. It is included by body.hpp after columns.hpp,
// whose vectors it uses.
//
// Sums are taken in the order in which the kernels `deviations` and `deviationsWithin` take them, so that a bin has the
// same statistics wherever it is computed.

namespace evensky::detail {
namespace {
namespace bins {

using columns::above;
using columns::addDeviations;
using columns::anywhere;
using columns::atLeast;
using columns::atMost;
using columns::both;
using columns::choose;
using columns::Doubles;
using columns::equal;
using columns::everywhere;
using columns::fill;
using columns::Floats;
using columns::half;
using columns::larger;
using columns::load;
using columns::magnitude;
using columns::rootOf;
using columns::smaller;
using columns::store;
using columns::Where;
using columns::widen;
using columns::without;

constexpr std::ptrdiff_t lanes = columns::Lanes<float>::count;
constexpr int parts = columns::Lanes<float>::parts;
constexpr float largest = columns::Lanes<float>::largest;

// Doubles of all lanes.
struct Each {
    Doubles of[parts];
};
EVENSKY_INLINE Each each(double value) {
    Each result;
    for (int h = 0; h < parts; ++h) result.of[h] = fill(value);
    return result;
}
EVENSKY_INLINE Each loadEach(double const* from) {
    Each result;
    for (int h = 0; h < parts; ++h) result.of[h] = load<Doubles>(from + h * half);
    return result;
}
EVENSKY_INLINE void store(double* to, Each const& values) {
    for (int h = 0; h < parts; ++h) columns::store(to + h * half, values.of[h]);
}

// Transpose a square of vectors: the recursion exchanges the off-diagonal quarters of ever smaller squares.
template <std::ptrdiff_t distance, std::size_t... index>
EVENSKY_INLINE void exchangeQuarters(Floats& a, Floats& b, std::index_sequence<index...>) {
    constexpr auto n = static_cast<std::size_t>(lanes), d = static_cast<std::size_t>(distance);
#if defined(__clang__)
    auto const low = __builtin_shufflevector(a, b, ((index & d) == 0 ? index : n + index - d)...);
    auto const high = __builtin_shufflevector(a, b, ((index & d) == 0 ? index + d : n + index)...);
#else
    auto const low = __builtin_shuffle(a, b, columns::Ints{((index & d) == 0 ? index : n + index - d)...});
    auto const high = __builtin_shuffle(a, b, columns::Ints{((index & d) == 0 ? index + d : n + index)...});
#endif
    a = low;
    b = high;
}
template <std::ptrdiff_t distance = lanes / 2>
EVENSKY_INLINE void transpose(Floats* rows) {
    if constexpr (distance > 0) {
        for (std::ptrdiff_t i = 0; i < lanes; ++i) {
            if ((i & distance) != 0) continue;
            exchangeQuarters<distance>(rows[i], rows[i + distance],
                                       std::make_index_sequence<static_cast<std::size_t>(lanes)>());
        }
        transpose<distance / 2>(rows);
    }
}

// Compare and exchange two rows, so that the first is the smaller one in each lane.
EVENSKY_INLINE void sortTwo(Floats& first, Floats& second) {
    auto const least = smaller(first, second);
    second = larger(first, second);
    first = least;
}

// Bitonic sort of n rows (Batcher 1968), with several stages at a time in registers. All exchanges put the larger value
// into the later row, so rows from n on can be taken as infinite: they never move, and are not stored.
class Sorter {
public:
    Sorter(float* values, std::ptrdiff_t n) : _values(values), _n(n) {}

    // Only the rows `from` to `to` need to be in order at the end, and those of other calls.
    void want(std::ptrdiff_t from, std::ptrdiff_t to) {
        _from[_wanted] = from;
        _to[_wanted++] = to;
    }

    void sort() const {
        // The first runs are sorted in registers.
        for (std::ptrdiff_t at = 0; at < _n; at += run) {
            columns::sortFew<run>(_values + at * lanes, _values + at * lanes, rowsFrom(at));
        }
        for (std::ptrdiff_t size = run; size < _n; size *= 2) {
            for (std::ptrdiff_t at = 0; at + size < _n; at += 2 * size) merge(at, size);
        }
    }

private:
    static constexpr std::ptrdiff_t run = 16;

    [[nodiscard]] std::ptrdiff_t rowsFrom(std::ptrdiff_t at) const { return _n - at < run ? _n - at : run; }

    // Return whether some of the rows in [from, end) are wanted.
    [[nodiscard]] EVENSKY_INLINE bool isWanted(std::ptrdiff_t from, std::ptrdiff_t end) const {
        bool wanted = false;
        for (std::size_t k = 0; k < _wanted; ++k) wanted = wanted || (_from[k] < end && _to[k] >= from);
        return wanted;
    }
    // Merge two runs of `size` rows that follow each other.
    void merge(std::ptrdiff_t at, std::ptrdiff_t size) const {
        // After the last merge, all rows are where they belong but those in blocks that nobody wants.
        bool const all = at > 0 || 2 * size < _n;
        // The first three stages compare rows in mirrored order, and then at a half and a quarter of the size.
        auto const step = size / 4;
        bool const isShort = _n - at - size <= step;  // of the second run, at most one of four rows is there
        for (std::ptrdiff_t i = 0; i < step; ++i) {
            auto const last = at + 2 * size - 1 - i, fifth = last - 3 * step;
            if (isShort) {
                if (fifth < _n) {
                    mergeFew<5>(at + i, fifth, step);
                } else {
                    mergeFew<4>(at + i, fifth, step);
                }
            } else if (last < _n) {
                mergeEight<true>(at + i, last, step);
            } else {
                mergeEight<false>(at + i, last, step);
            }
        }
        auto distance = size / 8;
        for (; distance >= 16 || distance == 4; distance /= 8) halve<3>(at, 2 * size, distance, all);
        if (distance == 8) {
            halve<2>(at, 2 * size, 8, all);
            distance = 2;
        }
        if (distance == 2) halve<2>(at, 2 * size, 2, all);
    }
    // Load some rows, sort pairs of them, and store them again. Loops are unrolled, so that rows stay in registers.
    template <bool Whole, int Rows, typename Place, typename Exchange>
    EVENSKY_INLINE void exchangeRows(Place const& place, Exchange const& exchange) const {
        Floats rows[Rows];
        forEachIndex<Rows>([&](auto k) __attribute__((always_inline)) {
            constexpr std::size_t i = decltype(k)::value;
            auto const at = place(static_cast<std::ptrdiff_t>(i));
            rows[i] =
                    Whole || at < _n ? load<Floats>(_values + at * lanes) : Floats{} + columns::Lanes<float>::infinity;
        });
        exchange(rows);
        forEachIndex<Rows>([&](auto k) __attribute__((always_inline)) {
            constexpr std::size_t i = decltype(k)::value;
            auto const at = place(static_cast<std::ptrdiff_t>(i));
            if (Whole || at < _n) columns::store(_values + at * lanes, rows[i]);
        });
    }
    // Do what mergeEight does if its last three or four rows are infinite.
    template <int Rows>
    EVENSKY_INLINE void mergeFew(std::ptrdiff_t first, std::ptrdiff_t fifth, std::ptrdiff_t step) const {
        auto const place = [=](std::ptrdiff_t k)
                                   __attribute__((always_inline)) { return k < 4 ? first + k * step : fifth; };
        exchangeRows<true, Rows>(place, [](Floats* rows) __attribute__((always_inline)) {
            if constexpr (Rows == 5) sortTwo(rows[3], rows[4]);
            halveRows<4>(rows);
        });
    }
    template <bool Whole>
    EVENSKY_INLINE void mergeEight(std::ptrdiff_t first, std::ptrdiff_t last, std::ptrdiff_t step) const {
        auto const place = [=](std::ptrdiff_t k) __attribute__((always_inline)) {
            return k < 4 ? first + k * step : last - (7 - k) * step;
        };
        exchangeRows<Whole, 8>(place, [](Floats* rows) __attribute__((always_inline)) {
            forEachIndex<4>([&](auto k) __attribute__((always_inline)) {
                constexpr std::size_t i = decltype(k)::value;
                sortTwo(rows[i], rows[7 - i]);
            });
            halveRows<4>(rows);
            halveRows<4>(rows + 4);
        });
    }
    // Compare rows at half of their number, at a quarter and so on.
    template <int Rows>
    static EVENSKY_INLINE void halveRows(Floats* rows) {
        if constexpr (Rows > 1) {
            forEachIndex<Rows / 2>([&](auto k) __attribute__((always_inline)) {
                constexpr std::size_t i = decltype(k)::value;
                sortTwo(rows[i], rows[i + Rows / 2]);
            });
            halveRows<Rows / 2>(rows);
            halveRows<Rows / 2>(rows + Rows / 2);
        }
    }
    // Compare rows at a distance, at half of it and so on, for a number of stages, in blocks of twice the distance.
    template <int Stages>
    EVENSKY_INLINE void halve(std::ptrdiff_t at, std::ptrdiff_t size, std::ptrdiff_t distance, bool all) const {
        constexpr std::ptrdiff_t together = std::ptrdiff_t{1} << Stages;
        auto const step = 2 * distance / together;
        auto const end = at + size < _n ? at + size : _n;
        for (auto block = at; block < end; block += 2 * distance) {
            if (!all && !isWanted(block, block + 2 * distance)) continue;
            for (std::ptrdiff_t i = 0; i < step; ++i) {
                if (block + i + (together - 1) * step < _n) {
                    halveSome<Stages, true>(block + i, step);
                } else {
                    halveSome<Stages, false>(block + i, step);
                }
            }
        }
    }
    template <int Stages, bool Whole>
    EVENSKY_INLINE void halveSome(std::ptrdiff_t from, std::ptrdiff_t step) const {
        auto const place = [=](std::ptrdiff_t k) __attribute__((always_inline)) { return from + k * step; };
        exchangeRows<Whole, 1 << Stages>(
                place, [](Floats* rows) __attribute__((always_inline)) { halveRows<1 << Stages>(rows); });
    }

    float* _values;
    std::ptrdiff_t _n;
    std::size_t _wanted = 0;
    std::ptrdiff_t _from[ScanPlan::maxRanges], _to[ScanPlan::maxRanges];
};

// Count the lanes in which something holds.
EVENSKY_INLINE void count(columns::Longs& counts, Where<double> where) {
#if defined(__AVX512F__)
    auto const from = reinterpret_cast<__m512i>(counts);
    counts = reinterpret_cast<columns::Longs>(_mm512_mask_add_epi64(from, where.bits, from, _mm512_set1_epi64(1)));
#else
    counts -= where.bits;
#endif
}

// Sums of the deviations from centres.
struct Sums {
    Each count, first, second;
};

// Bins that fill the lanes of a vector.
class Bins {
public:
    Bins(BinsTask const& task, std::ptrdiff_t first, BinsResult& result)
            : _task(task), _first(first), _result(result), _values(static_cast<float*>(task.scratch)) {
        for (std::ptrdiff_t k = 0; k < lanes; ++k) {
            auto const bin = first + k;
            auto const n = bin < task.bins ? task.counts[static_cast<std::size_t>(bin)] : 0;
            _n[k] = n;
            _most = n > _most ? n : _most;
            _least = k == 0 || n < _least ? n : _least;
            if (n > 0 && (_fewest == 0 || n < _fewest)) _fewest = n;
        }
        _sorted = _values + _most * lanes;
        for (int h = 0; h < parts; ++h) {
            for (int k = 0; k < half; ++k) _count.of[h][k] = static_cast<double>(_n[h * half + k]);
        }
    }

    void compute() {
        gather();
        if (_task.numFractions > 0) {
            Sorter sorter(_sorted, _most);
            for (std::size_t f = 0; f < _task.numFractions; ++f) {
                double const fraction = _task.fractions[f];
                sorter.want(static_cast<std::ptrdiff_t>(fraction * (_fewest - 1)),
                            static_cast<std::ptrdiff_t>(fraction * (_most - 1)) + 1);
            }
            if (_task.keptMedian) {
                // Clipping shifts ranks by half of the difference of the numbers that it rejects below and above.
                auto const shift = shiftOf(_most);
                sorter.want((_fewest - 1) / 2 - shift, _most / 2 + shift);
            }
            sorter.sort();
            for (std::size_t f = 0; f < _task.numFractions; ++f) findQuantile(f);
        }
        if (_task.moments) sumAll();
        if (_task.clip) clip();
    }

private:
    // Return by how much the ranks of medians may shift in a bin with so many pixels.
    [[nodiscard]] std::ptrdiff_t shiftOf(std::ptrdiff_t n) const noexcept {
        return _task.keptDeviation ? n : n / 16 + 4;
    }
    // Load the pixels side by side: NaN beyond the last pixel of a bin, and infinite where they are sorted.
    EVENSKY_INLINE void gather() {
        float const* packed[lanes];
        for (std::ptrdiff_t k = 0; k < lanes; ++k) {
            packed[k] = _task.packed[static_cast<std::size_t>(_first + (_first + k < _task.bins ? k : 0))];
        }
        auto* const sorted = _task.numFractions > 0 ? _sorted : nullptr;
        columns::Ints count;
        __builtin_memcpy(&count, _n, sizeof count);
        for (std::ptrdiff_t at = 0; at < _most; at += lanes) {
            Floats rows[lanes];
            // There is room for `slack` values more than the pixels of each bin.
            for (std::ptrdiff_t k = 0; k < lanes; ++k) rows[k] = load<Floats>(packed[k] + at);
            transpose(rows);
            for (std::ptrdiff_t i = 0; i < lanes && at + i < _most; ++i) {
                auto value = rows[i], order = rows[i];
                if (at + i >= _least) {
                    columns::Ints const pixel = columns::Ints{} + static_cast<std::int32_t>(at + i);
                    columns::Ints const beyond = pixel >= count;
                    value = beyond ? Floats{} + columns::Lanes<float>::nan : value;
                    order = beyond ? Floats{} + columns::Lanes<float>::infinity : order;
                }
                columns::store(_values + (at + i) * lanes, value);
                if (sorted != nullptr) columns::store(sorted + (at + i) * lanes, order);
            }
        }
    }

    // Interpolate between the two values next to a fraction, as quantiles() does.
    EVENSKY_INLINE void findQuantile(std::size_t f) {
        double const fraction = _task.fractions[f];
        for (std::ptrdiff_t k = 0; k < lanes; ++k) {
            auto const n = _n[k];
            double& result = _result.quantiles[f][_first + k];
            if (n == 0) {
                result = columns::nan;
                continue;
            }
            double const index = fraction * static_cast<double>(n - 1);
            auto const rank = static_cast<std::int32_t>(index);
            auto const next = rank + 1 < n ? rank + 1 : rank;
            auto const below = static_cast<double>(_sorted[rank * lanes + k]);
            auto const above = static_cast<double>(_sorted[next * lanes + k]);
            double const part = index - static_cast<double>(rank);
            result = below == above || part == 0.0 ? below : (1.0 - part) * below + part * above;
        }
    }

    // Sum the deviations of the pixels within half a width of the centres.
    [[nodiscard]] EVENSKY_INLINE Sums sumWithin(Each const& centre, Each const& halfWidth) const {
        auto const* const values = _values;
        auto const most = _most;
        Sums total{each(0.0), each(0.0), each(0.0)};
        columns::Longs counts[parts] = {};
        for (std::ptrdiff_t start = 0; start < width; ++start) {
            auto first = each(0.0), second = each(0.0);
            for (auto i = start; i < most; i += width) {
                auto const row = load<Floats>(values + i * lanes);
                for (int h = 0; h < parts; ++h) {
                    Doubles const d = widen(row, h) - centre.of[h];
                    auto const in = atMost(magnitude(d), halfWidth.of[h]);
                    bins::count(counts[h], in);
                    addDeviations(first.of[h], second.of[h], in, d);
                }
            }
            for (int h = 0; h < parts; ++h) {
                total.first.of[h] += first.of[h];
                total.second.of[h] += second.of[h];
            }
        }
        for (int h = 0; h < parts; ++h) total.count.of[h] = widen(columns::narrowed(counts[h]));
        return total;
    }

    struct Moments {
        Each n, sum, mean, scatter2;  // scatter2: sum of squared deviations from the mean
    };
    // Convert sums to moments, as momentsOf() does. Pixels that are all equal have exactly their value as mean.
    [[nodiscard]] EVENSKY_INLINE Moments momentsOf(Sums const& sums, Each const& centre, Each const& halfWidth) const {
        Moments m;
        bool constant = false;
        for (int h = 0; h < parts; ++h) {
            auto const n = sums.count.of[h], first = sums.first.of[h], second = sums.second.of[h];
            Doubles const shift = first / n;
            Doubles const scatter2 = second - first * shift;
            // The scatter of equal pixels is not larger than rounding errors.
            constant = constant || anywhere(atMost(scatter2, 1e-9 * second));
            m.n.of[h] = n;
            m.mean.of[h] = centre.of[h] + shift;
            m.sum.of[h] = first + n * centre.of[h];
            m.scatter2.of[h] = scatter2 < 0.0 ? Doubles{} : scatter2;
        }
        if (constant) setConstants(centre, halfWidth, m);
        return m;
    }
    void setConstants(Each const& centre, Each const& halfWidth, Moments& m) const {
        Each least = each(columns::infinity), most = each(-columns::infinity);
        for (std::ptrdiff_t i = 0; i < _most; ++i) {
            auto const row = load<Floats>(_values + i * lanes);
            for (int h = 0; h < parts; ++h) {
                auto const x = widen(row, h);
                auto const in = atMost(magnitude(Doubles(x - centre.of[h])), halfWidth.of[h]);
                least.of[h] = smaller(least.of[h], choose(in, x, fill(columns::infinity)));
                most.of[h] = larger(most.of[h], choose(in, x, fill(-columns::infinity)));
            }
        }
        for (int h = 0; h < parts; ++h) {
            auto const same = equal(least.of[h], most.of[h]);
            m.mean.of[h] = choose(same, least.of[h], m.mean.of[h]);
            m.sum.of[h] = choose(same, Doubles(m.n.of[h] * least.of[h]), m.sum.of[h]);
            m.scatter2.of[h] = choose(same, Doubles{}, m.scatter2.of[h]);
        }
    }
    EVENSKY_INLINE void write(Moments const& m, BinMoments& to) const {
        bins::store(to.n + _first, m.n);
        bins::store(to.sum + _first, m.sum);
        bins::store(to.mean + _first, m.mean);
        bins::store(to.scatter2 + _first, m.scatter2);
    }

    // Sum all pixels about any of them, and again about the mean if it is far off, as packedMoments() does.
    void sumAll() {
        auto guess = each(0.0);
        for (std::ptrdiff_t k = 0; k < lanes; ++k) {
            if (_n[k] > 0) guess.of[k / half][k % half] = static_cast<double>(_values[_n[k] / 2 * lanes + k]);
        }
        auto const everything = each(columns::infinity);
        auto const sums = sumWithin(guess, everything);
        Each shift;
        bool anyAgain = false;
        Where<double> again[parts];
        for (int h = 0; h < parts; ++h) {
            auto const n = sums.count.of[h];
            shift.of[h] = sums.first.of[h] / n;
            Doubles const square = shift.of[h] * shift.of[h];
            Doubles const scatter2 = 64.0 * (sums.second.of[h] / n - square);
            again[h] = without(atLeast(n, fill(1.0)), atMost(square, scatter2));
            anyAgain = anyAgain || anywhere(again[h]);
        }
        // Equal pixels deviate from one of them by exactly 0, so that their moments need no extremes.
        Moments m;
        for (int h = 0; h < parts; ++h) {
            auto const n = sums.count.of[h], first = sums.first.of[h];
            m.n.of[h] = n;
            m.mean.of[h] = guess.of[h] + shift.of[h];
            m.sum.of[h] = first + n * guess.of[h];
            Doubles const scatter2 = sums.second.of[h] - first * shift.of[h];
            m.scatter2.of[h] = scatter2 < 0.0 ? Doubles{} : scatter2;
        }
        if (anyAgain) {
            auto const centre = m.mean;
            auto const other = momentsOf(sumWithin(centre, everything), centre, everything);
            for (int h = 0; h < parts; ++h) {
                m.mean.of[h] = choose(again[h], other.mean.of[h], m.mean.of[h]);
                m.sum.of[h] = choose(again[h], other.sum.of[h], m.sum.of[h]);
                m.scatter2.of[h] = choose(again[h], other.scatter2.of[h], m.scatter2.of[h]);
            }
        }
        write(m, _result.all);
    }

    // Clip about the median by the quartiles, and then about the mean by the standard deviation of the last round.
    void clip() {
        auto centre = loadEach(_result.quantiles[_task.quartiles[1]] + _first);
        auto const low = loadEach(_result.quantiles[_task.quartiles[0]] + _first);
        auto const high = loadEach(_result.quantiles[_task.quartiles[2]] + _first);
        Each halfWidth;
        Doubles const least = fill(_task.leastHalfWidth);
        auto const widened = [&](Doubles const& width) { return choose(above(least, width), least, width); };
        for (int h = 0; h < parts; ++h) {
            halfWidth.of[h] = widened(clipWidth(_task.widthOfRange, Doubles(high.of[h] - low.of[h])));
        }
        Moments m{};
        auto const rounds = _task.rounds < BinsTask::mostRounds ? _task.rounds : BinsTask::mostRounds;
        // Whether a bin needs no more rounds, and so what is left to others, depends on its own pixels alone, so that
        // bits are the same beside any other bins, for any number of lanes.
        auto done = each(0.0);
        bool settled = false;
        for (int round = 0; round < rounds && !settled; ++round) {
            if (round > 0) {
                settled = true;
                for (int h = 0; h < parts; ++h) {
                    auto const n = m.n.of[h];
                    // These are the operations of Moments::stdev().
                    Doubles const square = n * n;
                    Doubles const variance = m.scatter2.of[h] / n * (square / (square - n));
                    auto const single = atMost(_count.of[h], fill(1.0));
                    auto const nextWidth =
                            choose(single, halfWidth.of[h], widened(clipWidth(_task.nsigma, rootOf(variance))));
                    auto const nextCentre = m.mean.of[h];
                    // A window that stays keeps its pixels, and an empty one cannot get any.
                    auto const stays = both(equal(nextCentre, centre.of[h]), equal(nextWidth, halfWidth.of[h]));
                    done.of[h] = choose(atMost(n, Doubles{}), fill(1.0), choose(stays, fill(1.0), Doubles{}));
                    settled = settled && everywhere(equal(done.of[h], fill(1.0)));
                    centre.of[h] = nextCentre;
                    halfWidth.of[h] = nextWidth;
                }
                if (settled) break;
            }
            m = momentsOf(sumWithin(centre, halfWidth), centre, halfWidth);
        }
        bool anyEnded = false;
        for (std::ptrdiff_t k = 0; k < lanes; ++k) {
            bool const ended = rounds == _task.rounds || done.of[k / half][k % half] == 1.0;
            _result.ended[_first + k] = ended;
            anyEnded = anyEnded || ended;
        }
        write(m, _result.clipped);
        if (_task.keptMedian && anyEnded) findKept(centre, halfWidth, m.n);
    }

    // Find what is wanted of the pixels within the last window, which are neighbours in order.
    void findKept(Each const& centre, Each const& halfWidth, Each const& count) {
        columns::Longs below[parts] = {};
        for (std::ptrdiff_t i = 0; i < _most; ++i) {
            auto const row = load<Floats>(_values + i * lanes);
            for (int h = 0; h < parts; ++h) {
                Doubles const d = widen(row, h) - centre.of[h];
                bins::count(below[h], above(Doubles(-halfWidth.of[h]), d));
            }
        }
        auto median = each(0.0), deviation = each(0.0);
        for (std::ptrdiff_t k = 0; k < lanes; ++k) {
            auto const h = k / half, lane = k % half;
            auto const n = static_cast<std::ptrdiff_t>(count.of[h][lane]);
            auto const begin = static_cast<std::ptrdiff_t>(below[h][lane]);
            double& middle = _result.keptMedian[_first + k];
            middle = _result.keptDeviation[_first + k] = columns::nan;
            if (n == 0 || !_result.ended[_first + k]) continue;
            std::ptrdiff_t const all = _n[k], shift = shiftOf(all);
            if (begin + (n - 1) / 2 < (all - 1) / 2 - shift || begin + n / 2 > all / 2 + shift) {
                _result.ended[_first + k] = false;
                continue;
            }
            float const* const sorted = _sorted + begin * lanes + k;
            middle = between(static_cast<double>(sorted[(n - 1) / 2 * lanes]),
                             static_cast<double>(sorted[n / 2 * lanes]));
            median.of[h][lane] = middle;
        }
        if (_task.grouped) groupMedians(centre, halfWidth, count, median);
        for (std::ptrdiff_t k = 0; k < lanes && _task.keptDeviation; ++k) {
            auto const h = k / half, lane = k % half;
            auto const n = static_cast<std::ptrdiff_t>(count.of[h][lane]);
            if (n == 0 || !_result.ended[_first + k]) continue;
            float const* const sorted = _sorted + static_cast<std::ptrdiff_t>(below[h][lane]) * lanes + k;
            double const middle = median.of[h][lane];
            double& distance = _result.keptDeviation[_first + k];
            distance = between(distanceOf(sorted, n, (n + 1) / 2, middle), distanceOf(sorted, n, n / 2 + 1, middle));
            deviation.of[h][lane] = distance;
        }
        auto const& widths = _task.biweightWidths;
        if (widths[0] > 0.0 && widths[1] > 0.0) {
            sumBiweights(centre, halfWidth, count, median, deviation);
        } else if (widths[0] > 0.0 || widths[1] > 0.0) {
            auto const which = widths[0] > 0.0 ? std::size_t{0} : std::size_t{1};
            auto const sums = sumPowers<false>(centre, halfWidth, median, deviation, widths[which]);
            for (std::ptrdiff_t k = 0; k < lanes; ++k) _result.biweight[which][_first + k] = biweightOf(sums.lane(k));
        }
    }
    // Replace the medians of the pixels within windows by those of grouped data.
    void groupMedians(Each const& centre, Each const& halfWidth, Each const& count, Each& median) {
        columns::Longs below[parts] = {}, above[parts] = {};
        auto lower = each(-columns::infinity), higher = each(columns::infinity);
        for (std::ptrdiff_t i = 0; i < _most; ++i) {
            auto const row = load<Floats>(_values + i * lanes);
            for (int h = 0; h < parts; ++h) {
                auto const x = widen(row, h);
                auto const in = atMost(magnitude(Doubles(x - centre.of[h])), halfWidth.of[h]);
                auto const isBelow = both(in, columns::above(median.of[h], x));
                auto const isAbove = both(in, columns::above(x, median.of[h]));
                bins::count(below[h], isBelow);
                bins::count(above[h], isAbove);
                lower.of[h] = larger(lower.of[h], choose(isBelow, x, fill(-columns::infinity)));
                higher.of[h] = smaller(higher.of[h], choose(isAbove, x, fill(columns::infinity)));
            }
        }
        for (std::ptrdiff_t k = 0; k < lanes; ++k) {
            auto const h = k / half, lane = k % half;
            auto const n = static_cast<std::int64_t>(count.of[h][lane]);
            if (n == 0 || !_result.ended[_first + k]) continue;
            Neighbours<double> const found{n, static_cast<std::int64_t>(below[h][lane]),
                                           static_cast<std::int64_t>(above[h][lane]), lower.of[h][lane],
                                           higher.of[h][lane]};
            double& middle = _result.keptMedian[_first + k];
            middle = medianOfGroups(found, middle);
            median.of[h][lane] = middle;
        }
    }
    // Return the mean of the two values in the middle.
    static double between(double below, double above) { return below == above ? below : 0.5 * below + 0.5 * above; }
    // Return the distance from a centre at a rank, counted from 1, of n sorted values: the `rank` nearest ones are
    // neighbours, and one of the two at their ends is the farthest.
    static double distanceOf(float const* sorted, std::ptrdiff_t n, std::ptrdiff_t rank, double centre) {
        auto const before = [&](std::ptrdiff_t i) { return centre - static_cast<double>(sorted[i * lanes]); };
        auto const behind = [&](std::ptrdiff_t i) {
            return static_cast<double>(sorted[(i + rank - 1) * lanes]) - centre;
        };
        // Find the first neighbours whose last one is the farthest.
        std::ptrdiff_t from = 0, to = n - rank + 1;
        while (from < to) {
            auto const middle = from + (to - from) / 2;
            if (behind(middle) >= before(middle)) {
                to = middle;
            } else {
                from = middle + 1;
            }
        }
        double const last = from <= n - rank ? behind(from) : columns::infinity;
        double const first = from > 0 ? before(from - 1) : columns::infinity;
        return first < last ? first : last;
    }
    // Sums of each lane as BiweightPowers has them, but with v = max(1 - u^2, 0).
    struct Powers {
        Each v1, v2, first, second, mixed;
        [[nodiscard]] BiweightPowers lane(std::ptrdiff_t k) const {
            auto const of = [k](Each const& sum) { return sum.of[k / half][k % half]; };
            return {of(v1), of(v2), of(first), of(second), of(mixed)};
        }
    };
    // Sum powers of v over the pixels within a window; if `Mixed`, also those for a larger width. (Not inlined, as
    // registers of the clipping would be lost.)
    template <bool Mixed>
    __attribute__((noinline)) Powers sumPowers(Each const& centre, Each const& halfWidth, Each const& median,
                                               Each const& deviation, double width, double ratio = 0.0) {
        auto const none = each(0.0);
        Powers sums{none, none, none, none, none};
        Doubles const one = fill(1.0), mix = fill(mixOf(ratio));
        Each scale;
        for (int h = 0; h < parts; ++h) scale.of[h] = 1.0 / (fill(width) * deviation.of[h]);
        for (std::ptrdiff_t i = 0; i < _most; ++i) {
            auto const row = load<Floats>(_values + i * lanes);
            for (int h = 0; h < parts; ++h) {
                auto const x = widen(row, h);
                auto const in = atMost(magnitude(Doubles(x - centre.of[h])), halfWidth.of[h]);
                Doubles const d = choose(in, Doubles(x - median.of[h]), Doubles{}), u = d * scale.of[h];
                Doubles const v = choose(in, larger(Doubles(one - u * u), Doubles{}), Doubles{});
                Doubles const v2 = v * v, dv2 = d * v2;
                sums.v1.of[h] += v;
                sums.v2.of[h] += v2;
                if constexpr (Mixed) sums.mixed.of[h] += v2 * v * (v + mix);
                sums.first.of[h] += dv2;
                sums.second.of[h] += dv2 * dv2;
            }
        }
        return sums;
    }
    // Sum the biweights of both widths over the pixels within a window.
    __attribute__((noinline)) void sumBiweights(Each const& centre, Each const& halfWidth, Each const& count,
                                                Each const& median, Each const& deviation) {
        double const narrow = _task.biweightWidths[0], widening = _task.biweightWidths[1] / narrow;
        double const ratio = widening * widening;
        auto const sums = sumPowers<true>(centre, halfWidth, median, deviation, narrow, ratio);
        // The sums of the smaller width are those of the larger one only of pixels that are not beyond it, which
        // depends on the pixels of a bin alone.
        bool isFar[lanes], anyFar = false;
        for (std::ptrdiff_t k = 0; k < lanes; ++k) {
            auto const h = k / half, lane = k % half;
            auto const powers = sums.lane(k);
            double const n = count.of[h][lane], width = narrow * deviation.of[h][lane];
            double const shift = centre.of[h][lane] - median.of[h][lane];
            isFar[k] = !((shift < 0.0 ? -shift : shift) + halfWidth.of[h][lane] < width);
            anyFar = anyFar || (isFar[k] && n > 0.0 && deviation.of[h][lane] > 0.0);
            _result.biweight[0][_first + k] = biweightOf(powers);
            _result.biweight[1][_first + k] = widerBiweight(powers, n, width * width, ratio);
        }
        if (!anyFar) return;
        auto const wide = sumPowers<false>(centre, halfWidth, median, deviation, _task.biweightWidths[1]);
        for (std::ptrdiff_t k = 0; k < lanes; ++k) {
            if (isFar[k]) _result.biweight[1][_first + k] = biweightOf(wide.lane(k));
        }
    }

    BinsTask const& _task;
    std::ptrdiff_t const _first;
    BinsResult& _result;
    float* const _values;
    float* _sorted = nullptr;
    std::int32_t _n[lanes];              // pixels of each bin
    std::int32_t _least = 0, _most = 0;  // of all lanes
    std::int32_t _fewest = 0;            // of those that have any
    Each _count;
};

template <bool HasMask, typename T>
void packRowOf(PixelRow<T> const& row, std::int64_t const* edges, std::ptrdiff_t bins, T* out, std::ptrdiff_t room,
               std::int32_t* packed) {
    using Pixels = Lanes<T>;
    constexpr auto size = Pixels::size;
    auto const start = edges[0], end = edges[bins];
    auto const bad = Pixels::fillMasks(row.badBits);
    // Pack `count` pixels from x on, of which `loaded` can be loaded, behind n others.
    auto const packSome = [&](auto kind, std::ptrdiff_t x, std::ptrdiff_t count, std::ptrdiff_t loaded,
                              T* to) __attribute__((always_inline)) {
        bool const whole = decltype(kind)::value || loaded >= size;
        auto const values = whole ? Pixels::load(row.values + x) : Pixels::loadFirst(row.values + x, count);
        auto good = simd::finite(values, every<T>(kind, count));
        prefetch(row.values, x, row.valuesAhead);
        if constexpr (HasMask) {
            auto const mask = whole ? Pixels::loadMasks(row.mask + x) : Pixels::loadFirstMasks(row.mask + x, count);
            good = simd::noneSet(mask, bad, good);
            prefetch(row.mask, x, row.maskAhead);
        }
        return simd::compress(to, values, good);
    };
    for (std::ptrdiff_t k = 0; k < bins; ++k) {
        T* const to = out + k * room;
        std::ptrdiff_t n = packed[k];
        auto const behind = edges[k + 1] - start;
        auto x = edges[k] - start;
        for (; x + size <= behind; x += size) n += packSome(Whole{}, x, size, size, to + n);
        // Pixels of the next bins are loaded, too, unless the row ends before.
        if (x < behind) n += packSome(Rest{}, x, behind - x, end - start - x, to + n);
        packed[k] = static_cast<std::int32_t>(n);
    }
}

template <typename T>
void pack(PixelRow<T> const& row, std::int64_t const* edges, std::ptrdiff_t bins, T* out, std::ptrdiff_t room,
          std::int32_t* packed) {
    if (row.mask == nullptr) return packRowOf<false>(row, edges, bins, out, room, packed);
    packRowOf<true>(row, edges, bins, out, room, packed);
}

void compute(BinsTask const& task, BinsResult& result) {
    for (std::ptrdiff_t first = 0; first < task.bins; first += lanes) Bins(task, first, result).compute();
}

}  // namespace bins
}  // namespace
}  // namespace evensky::detail
