// Statistics of the columns of a stack, many columns side by side. It is included by body.hpp.
//
// The order of all sums depends on the number of images alone, and so do the results: not on the neighbours of a
// column.

#include "lanes.hpp"

namespace evensky::detail {
namespace {
namespace columns {

// Merge exchange (Knuth, The Art of Computer Programming, volume 3, 5.2.2, algorithm M): call exchange(i, j) for pairs
// i < j, in order.
template <typename Exchange>
constexpr EVENSKY_INLINE void mergeExchange(std::ptrdiff_t n, Exchange const& exchange) {
    std::ptrdiff_t top = 1;
    while (2 * top < n) top *= 2;
    for (auto p = top; p > 0; p /= 2) {
        for (std::ptrdiff_t q = top, r = 0, d = p;; d = q - p, q /= 2, r = p) {
            for (auto start = r; start < n - d; start += 2 * p) {
                auto const end = start + p < n - d ? start + p : n - d;
                for (auto i = start; i < end; ++i) exchange(i, i + d);
            }
            if (q == p) break;
        }
    }
}

// The exchanges of merge exchange for n rows. Their order is such that rows stay in registers for long; each row still
// takes part in the same exchanges, one after the other.
template <int n>
struct Network {
    static constexpr int most = 200;  // enough for 32 rows
    int count = 0;
    int first[most] = {}, second[most] = {};
    constexpr Network() {
        mergeExchange(n, [this](std::ptrdiff_t i, std::ptrdiff_t j) {
            first[count] = static_cast<int>(i);
            second[count++] = static_cast<int>(j);
        });
        reorder();
    }
    // Take, of the exchanges that are possible, one of rows that were used last, and of these one that has the fewest
    // others after it.
    constexpr void reorder() {
        constexpr int recentRows = 8;
        int const total = count;
        int later[most] = {}, laterOfRow[n] = {}, from[most] = {}, to[most] = {}, lastUse[n] = {};
        bool done[most] = {};
        for (int k = total; k-- > 0;) {
            auto &a = laterOfRow[first[k]], &b = laterOfRow[second[k]];
            later[k] = a > b ? a : b;
            a = b = later[k] + 1;
        }
        for (int turn = 1; turn <= total; ++turn) {
            int best = -1, leastCost = 0;
            bool waits[n] = {};
            for (int k = 0; k < total; ++k) {
                if (done[k]) continue;
                int const i = first[k], j = second[k];
                if (!waits[i] && !waits[j]) {
                    int const cost =
                            most * (missing(lastUse, i, recentRows) + missing(lastUse, j, recentRows)) + later[k];
                    if (best < 0 || cost < leastCost) {
                        best = k;
                        leastCost = cost;
                    }
                }
                waits[i] = waits[j] = true;
            }
            done[best] = true;
            from[turn - 1] = first[best];
            to[turn - 1] = second[best];
            lastUse[first[best]] = lastUse[second[best]] = turn;
        }
        for (int k = 0; k < total; ++k) {
            first[k] = from[k];
            second[k] = to[k];
        }
    }
    // Return 1 if a row is not among those that were used last, or else 0.
    static constexpr int missing(int const (&lastUse)[n], int row, int recentRows) {
        int newer = 0;
        for (int other = 0; other < n; ++other) newer += lastUse[other] > lastUse[row] ? 1 : 0;
        return lastUse[row] == 0 || newer >= recentRows ? 1 : 0;
    }
};
template <int n, typename Values, int... each>
EVENSKY_INLINE void exchangeAll(Values* rows, std::integer_sequence<int, each...>) {
    constexpr Network<n> network;
    auto const sortTwo = [rows](int first, int second) __attribute__((always_inline)) {
        auto const least = smaller(rows[first], rows[second]);
        rows[second] = larger(rows[first], rows[second]);
        rows[first] = least;
    };
    (sortTwo(network.first[each], network.second[each]), ...);
}
// Sort columns of a few rows in registers. Rows beyond n are infinite, and stay behind the others.
template <bool All, typename T, int... row>
void sortRows(T const* values, T* sorted, std::ptrdiff_t n, std::integer_sequence<int, row...>) {
    using Values = typename Lanes<T>::Values;
    constexpr std::ptrdiff_t lanes = Lanes<T>::count;
    constexpr int most = sizeof...(row);
    Values rows[most] = {(All || row < n ? load<Values>(values + row * lanes) : Values{} + Lanes<T>::infinity)...};
    exchangeAll<most>(rows, std::make_integer_sequence<int, Network<most>().count>());
    auto const put = [&](int i) __attribute__((always_inline)) {
        if (All || i < n) store(sorted + i * lanes, rows[i]);
    };
    (put(row), ...);
}
template <int most, typename T>
EVENSKY_INLINE void sortFew(T const* values, T* sorted, std::ptrdiff_t n) {
    if (n == most) {
        sortRows<true>(values, sorted, n, std::make_integer_sequence<int, most>());
    } else {
        sortRows<false>(values, sorted, n, std::make_integer_sequence<int, most>());
    }
}
// Sort each column. The values may be where the sorted ones will be.
template <typename T>
inline void sort(T const* values, T* sorted, std::ptrdiff_t n) {
    using Values = typename Lanes<T>::Values;
    constexpr std::ptrdiff_t lanes = Lanes<T>::count;
    if (n <= 4) return sortFew<4>(values, sorted, n);
    if (n <= 8) return sortFew<8>(values, sorted, n);
    if (n <= 12) return sortFew<12>(values, sorted, n);
    if (n <= 16) return sortFew<16>(values, sorted, n);
    if (n <= 20) return sortFew<20>(values, sorted, n);
    if (n <= 24) return sortFew<24>(values, sorted, n);
    if (n <= 28) return sortFew<28>(values, sorted, n);
    if (values != sorted) {
        for (std::ptrdiff_t i = 0; i < n; ++i) store(sorted + i * lanes, load<Values>(values + i * lanes));
    }
    mergeExchange(n, [sorted](std::ptrdiff_t i, std::ptrdiff_t j) __attribute__((always_inline)) {
        auto const a = load<Values>(sorted + i * lanes), b = load<Values>(sorted + j * lanes);
        store(sorted + i * lanes, smaller(a, b));
        store(sorted + j * lanes, larger(a, b));
    });
}

// Call row(i) for the rows from `first` on, two in each turn where vectors are wide.
template <typename Row>
EVENSKY_INLINE void forRows(std::ptrdiff_t first, std::ptrdiff_t end, Row const& row) {
    auto i = first;
    if constexpr (bytes > 16) {
        for (; i + 1 < end; i += 2) {
            row(i);
            row(i + 1);
        }
        if (i < end) row(i);
    } else {
        for (; i < end; ++i) row(i);
    }
}

// Sums over the pixels of each column within a window of values; deviations are from a pivot.
template <typename T>
struct Sums {
    using L = Lanes<T>;
    typename L::Counts notBelow{}, inside{};  // rows not below the window, and within
    Doubles first[L::parts] = {}, second[L::parts] = {};
};

// Weighted sums over the pixels of each column within a window of values.
template <typename T>
struct WeightedSums {
    using L = Lanes<T>;
    typename L::Counts inside{};
    Doubles weight[L::parts] = {}, weight2[L::parts] = {}, first[L::parts] = {}, second[L::parts] = {};
};

// Copies of the pixels of all images, block by block of columns. The next block is copied a few pieces at a time while
// this one is computed, because fetching many lines of the cache at once stalls, and lines of images that are a power
// of 2 apart evict each other.
template <typename T>
class Blocks {
public:
    Blocks(ColumnsTask<T> const& task, std::ptrdiff_t x, std::ptrdiff_t width)
            : _task(task), _columns(ColumnsTask<T>::blockFor(task.n)), _left(width) {
        auto const n = task.n;
        bool const masked = task.masks != nullptr, varied = task.variances != nullptr;
        _pieces = n * (pieces(sizeof(T)) + (masked ? pieces(4) : 0) + (varied ? pieces(4) : 0));
        auto const times = stages * (_columns / Lanes<T>::count);
        _some = (_pieces + times - 1) / times;
        _masks = pieces(sizeof(T)) * pieceBytes;
        _variances = _masks + (masked ? pieces(4) * pieceBytes : 0);
        step = _variances + (varied ? pieces(4) * pieceBytes : 0);
        auto* at = static_cast<char*>(task.blocks);
        for (auto*& block : _blocks) {
            block = at;
            at += _pieces * pieceBytes;
        }
        _from = reinterpret_cast<std::uintptr_t*>(at);
        _step = _from + _pieces + ahead;
        std::ptrdiff_t k = 0;
        for (std::ptrdiff_t i = 0; i < n; ++i) {
            add(task.values[i] + x, k);
            if (masked) add(task.masks[i] == nullptr ? nullptr : task.masks[i] + x, k);
            if (varied) add(task.variances[i] + x, k);
        }
        for (std::ptrdiff_t j = 0; j < ahead; ++j, ++k) {
            _step[k] = _step[k - _pieces];
            _from[k] = _from[k - _pieces] + _step[k];
        }
        for (std::ptrdiff_t j = 0; j < ahead; ++j) fetch(_from[j]);
        beginCopies();
    }
    // Copy some pieces of the next block, and fetch as many others.
    EVENSKY_INLINE void copySome() { copyTo(_end - _next < _some ? _end : _next + _some); }

    // Turn to the next block, and return its number of columns.
    std::ptrdiff_t turn() {
        auto const width = _left < _columns ? _left : _columns;
        if (width < _columns) {
            copyRest(width);
        } else {
            copyTo(_end);
        }
        _left -= width;
        auto* const done = _blocks[0];
        _blocks[0] = _blocks[1];
        _blocks[1] = done;
        auto* const from = _from;
        auto const* const steps = _step;
        auto const count = _pieces + ahead;
        for (std::ptrdiff_t k = 0; k < count; ++k) from[k] += steps[k];
        beginCopies();
        return width;
    }
    // Return the pixels of the first image; those of the next one are `step` bytes behind.
    [[nodiscard]] EVENSKY_INLINE char const* values(std::ptrdiff_t x) const {
        return _blocks[0] + x * static_cast<std::ptrdiff_t>(sizeof(T));
    }
    [[nodiscard]] EVENSKY_INLINE char const* masks(std::ptrdiff_t x) const { return _blocks[0] + _masks + 4 * x; }
    [[nodiscard]] EVENSKY_INLINE char const* variances(std::ptrdiff_t x) const {
        return _blocks[0] + _variances + 4 * x;
    }
    std::ptrdiff_t step = 0;

    // Note that all pixels of some columns are good, as many as there are lanes, in place of counting them.
    EVENSKY_INLINE void addFull() { ++_full; }
    // Add the pixels of those columns to the counts of all images.
    void countFull() const {
        if (_full == 0) return;
        auto* counts = _task.good;
        for (std::ptrdiff_t i = 0; i < _task.n; ++i, counts += ColumnsTask<T>::maxLanes) {
            for (std::ptrdiff_t k = 0; k < Lanes<T>::count; ++k) counts[k] += _full;
        }
    }

private:
    // Pieces are copied as often for each group of columns that are computed side by side.
    static constexpr std::ptrdiff_t stages = 5;
    static constexpr std::ptrdiff_t pieceBytes = ColumnsTask<T>::pieceBytes, ahead = ColumnsTask<T>::piecesAhead;
    [[nodiscard]] std::ptrdiff_t pieces(std::size_t pixelBytes) const {
        return _columns * static_cast<std::ptrdiff_t>(pixelBytes) / pieceBytes;
    }
    static EVENSKY_INLINE void fetch(std::uintptr_t piece) {
        // A piece that begins within a line of the cache ends in another one.
        constexpr std::uintptr_t line = 64;
        for (auto last = line - 1; last < pieceBytes; last += line) prefetch(piece + last);
    }
    void beginCopies() {
        _next = _from;
        _to = _blocks[1];
        _end = _left >= _columns ? _from + _pieces : _from;
    }
    EVENSKY_INLINE void copyTo(std::uintptr_t const* end) {
        auto const* from = _next;
        auto* to = _to;
        for (; from != end; ++from, to += pieceBytes) {
            auto const* const piece = reinterpret_cast<char const*>(*from);
            for (std::ptrdiff_t b = 0; b < pieceBytes; b += bytes) store(to + b, load<Floats>(piece + b));
            fetch(from[ahead]);
        }
        _next = from;
        _to = to;
    }
    template <typename Pixel>
    void add(Pixel const* row, std::ptrdiff_t& k) {
        auto const size = pieces(sizeof(Pixel)) * pieceBytes;
        for (std::ptrdiff_t b = 0; b < size; b += pieceBytes, ++k) {
            _from[k] = row != nullptr ? reinterpret_cast<std::uintptr_t>(row) + static_cast<std::uintptr_t>(b)
                                      : reinterpret_cast<std::uintptr_t>(none);
            _step[k] = row != nullptr ? static_cast<std::uintptr_t>(size) : 0;
        }
    }
    // Copy the last columns, which do not fill a block. Pixels behind them are NaN.
    void copyRest(std::ptrdiff_t width) {
        auto const* from = _from;
        auto* to = _blocks[1];
        auto const copy = [&](std::size_t pixelBytes, std::ptrdiff_t plane) {
            __builtin_memcpy(to + plane, reinterpret_cast<void const*>(*from),
                             static_cast<std::size_t>(width) * pixelBytes);
            from += pieces(pixelBytes);
        };
        for (std::ptrdiff_t i = 0; i < _task.n; ++i, to += step) {
            copy(sizeof(T), 0);
            auto* const values = reinterpret_cast<T*>(to);
            for (auto k = width; k < _columns; ++k) values[k] = Lanes<T>::nan;
            if (_task.masks != nullptr) copy(4, _masks);
            if (_task.variances != nullptr) copy(4, _variances);
        }
    }
    static constexpr char none[4 * ColumnsTask<T>::mostColumns] = {};  // mask of images without one

    ColumnsTask<T> const& _task;
    std::ptrdiff_t const _columns;  // in a block
    std::ptrdiff_t _left;           // columns that are not computed yet
    std::ptrdiff_t _pieces = 0;     // pieces of a block
    std::ptrdiff_t _masks = 0, _variances = 0;
    char* _blocks[2] = {};            // this one and the next one
    std::uintptr_t* _from = nullptr;  // where each piece of the next block is copied from, and then some more
    std::uintptr_t* _step = nullptr;  // from there to the block after it
    std::int32_t _full = 0;           // times that columns without a bad pixel were noted
    std::uintptr_t const *_next = nullptr, *_end = nullptr;  // pieces that are still to be copied
    char* _to = nullptr;
    std::ptrdiff_t _some = 0;  // pieces that are copied at once
};

// Some columns of a block, as many as there are lanes, or fewer.
template <typename T>
class Columns {
public:
    Columns(ColumnsTask<T> const& task, Blocks<T>& blocks, std::ptrdiff_t part, std::ptrdiff_t x, std::ptrdiff_t width)
            : _task(task),
              _blocks(blocks),
              _n(task.n),
              _part(part),
              _x(x),
              _width(width),
              _values(static_cast<T*>(task.scratch)),
              _sorted(_values + _n * lanes),
              _weights(reinterpret_cast<double*>(static_cast<T*>(task.scratch) + 2 * _n * ColumnsTask<T>::maxLanes)),
              _deviations(_weights + _n * lanes),
              _weighted(task.weightsFromVariance || task.imageWeights != nullptr),
              _bare(task.clipping != Clipping::NONE && task.masks == nullptr && !_weighted),
              _coreFrom(_n / 8),
              _coreTo(_n - _n / 4) {}

    void compute() {
        gather();
        _blocks.copySome();
        setWindow(Doubles{} - infinity, Doubles{} + infinity);
        if (isOrdered()) findQuartiles();
        _blocks.copySome();
        switch (_task.clipping) {
            case Clipping::NONE: sumAll(); break;
            case Clipping::QUARTILES: clipByQuartiles(); break;
            case Clipping::LEFT: clipWhatIsLeft(); break;
        }
        _blocks.copySome();
        sumInputs();
        _blocks.copySome();
        write();
        _blocks.copySome();
    }

private:
    using L = Lanes<T>;
    using Values = typename L::Values;
    using Counts = typename L::Counts;
    using Singles = typename L::Singles;
    static constexpr std::ptrdiff_t lanes = L::count;
    static constexpr int parts = L::parts;

    [[nodiscard]] bool isOrdered() const {
        return _task.clipping != Clipping::NONE || _task.value == ColumnValue::MEDIAN;
    }
    // Whether the scatter of the pixels is part of the result.
    [[nodiscard]] bool needsScatter() const {
        return _task.error == ColumnError::SAMPLE || _task.value == ColumnValue::VARIANCE ||
               _task.value == ColumnValue::STDEV;
    }
    template <typename Vector, typename Pixel>
    EVENSKY_INLINE void storeRow(Pixel* to, Vector const& vector, std::ptrdiff_t width) const {
        if (_width == lanes) {
            store(to, vector);
        } else {
            storePart(to, vector, width);
        }
    }

    // Load the pixels of all images; infinite if they do not count.
    EVENSKY_INLINE void gather() {
        if (_task.weightsFromVariance) {
            gatherAs<true, true>();
        } else if (_task.masks != nullptr) {
            gatherAs<true, false>();
        } else {
            gatherAs<false, false>();
        }
    }
    template <bool Masked, bool Varied>
    EVENSKY_INLINE void gatherAs() {
        if (!Masked && _bare) {
            gatherBare();
        } else if (isOrdered()) {
            gatherAs<Masked, Varied, true>();
        } else {
            gatherAs<Masked, Varied, false>();
        }
        if (_task.maps > 0) {
            _anyMask = Counts{};
            auto const* from = _blocks.masks(_part);
            auto const n = _task.masks != nullptr ? _n : 0;
            for (std::ptrdiff_t i = 0; i < n; ++i, from += _blocks.step) _anyMask |= load<Counts>(from);
        }
    }
    template <bool Masked, bool Varied, bool Ordered>
    EVENSKY_INLINE void gatherAs() {
        // Copies of what the loop reads: pixels that it stores could be these, as far as the compiler knows.
        auto const n = _n, step = _blocks.step;
        auto const* values = _blocks.values(_part);
        auto const* masks = _blocks.masks(_part);
        auto const* badBits = _task.badBits;
        auto* kept = _values;
        auto* sorted = _sorted;
        auto* counts = _task.good;
        // Whether pixels are sorted that do not count otherwise.
        bool const orderAll = Varied && Ordered && _task.orderAll;
        bool const masked = Masked && (!Varied || _task.masks != nullptr);
        Counts ordered{}, good{}, orMask{};
        Doubles most[parts] = {};
        auto const gatherImage = [&](std::ptrdiff_t i) __attribute__((always_inline)) {
            auto const value = load<Values>(values);
            auto keeps = atMost(magnitude(value), Values{} + L::largest);
            Counts mask{};
            if (masked) {
                mask = load<Counts>(masks);
                keeps = both(keeps, noneSet(mask, Counts{} + badBits[i]));
            }
            if constexpr (Varied) {
                auto const orders = keeps;
                keeps = both(keeps, weigh(i, most));
                if (orderAll) {
                    store(sorted + i * lanes, choose(orders, value, Values{} + L::infinity));
                    ordered = countWhere(ordered, orders);
                }
            }
            store(kept, choose(keeps, value, Values{} + L::infinity));
            good = countWhere(good, keeps);
            if (masked) orMask |= columns::keep(mask, keeps);
            store(counts, countWhere(load<Counts>(counts), keeps));
            values += step;
            masks += step;
            kept += lanes;
            counts += ColumnsTask<T>::maxLanes;
        };
        forRows(0, n, gatherImage);
        if constexpr (Varied) weighUnrounded(most);
        _ordered = orderAll ? ordered : good;
        _unsorted = orderAll ? _sorted : _values;
        _good = good;
        _orMask = orMask;
    }
    // Load the pixels of all images to be sorted, where there are neither masks nor weights.
    EVENSKY_INLINE void gatherBare() {
        auto const n = _n, step = _blocks.step;
        auto const* values = _blocks.values(_part);
        auto* sorted = _sorted;
        Counts good{};
        auto const gatherImage = [&](std::ptrdiff_t) __attribute__((always_inline)) {
            auto const value = load<Values>(values);
            auto const keeps = atMost(magnitude(value), Values{} + L::largest);
            store(sorted, choose(keeps, value, Values{} + L::infinity));
            good = countWhere(good, keeps);
            values += step;
            sorted += lanes;
        };
        forRows(0, n, gatherImage);
        _ordered = _good = good;
        _unsorted = _sorted;
        _orMask = Counts{};
        if (leastOf(good) == n) {
            _blocks.addFull();
            return;
        }
        values = _blocks.values(_part);
        auto* counts = _task.good;
        for (std::ptrdiff_t i = 0; i < n; ++i, values += step, counts += ColumnsTask<T>::maxLanes) {
            auto const keeps = atMost(magnitude(load<Values>(values)), Values{} + L::largest);
            store(counts, countWhere(load<Counts>(counts), keeps));
        }
    }
    [[nodiscard]] EVENSKY_INLINE HalfFloats varianceOf(std::ptrdiff_t i, int h) const {
        return load<HalfFloats>(_blocks.variances(_part + h * half) + i * _blocks.step);
    }
    // Store the weights of an image, and return where they exist. Weights are rounded to float32. `most` becomes the
    // largest weight of each column.
    EVENSKY_INLINE Where<T> weigh(std::ptrdiff_t i, Doubles (&most)[parts]) {
        Where<double> exists[parts];
        for (int h = 0; h < parts; ++h) {
            auto const v = varianceOf(i, h);
            auto const weight = widen(HalfFloats(1.0F / v));
            // The inverse of an infinite variance is 0.
            exists[h] = positive(v);
            auto const stored = choose(exists[h], weight, Doubles{});
            store(_weights + i * lanes + h * half, stored);
            most[h] = larger(most[h], stored);
            if (!_task.orderAll) exists[h] = without(exists[h], atMost(stored, Doubles{}));
        }
        return join(exists);
    }
    // Weights of columns where one is beyond the range of float32 are not rounded.
    void weighUnrounded(Doubles const (&most)[parts]) {
        for (int h = 0; h < parts; ++h) {
            if (!anywhere(atLeast(most[h], fill(infinity)))) continue;
            for (int k = 0; k < half && h * half + k < _width; ++k) {
                if (most[h][k] != infinity) continue;
                auto const lane = h * half + k;
                for (std::ptrdiff_t i = 0; i < _n; ++i) {
                    float const variance = varianceOf(i, h)[k];
                    _weights[i * lanes + lane] = variance > 0.0F ? 1.0 / static_cast<double>(variance) : 0.0;
                }
            }
        }
    }
    [[nodiscard]] EVENSKY_INLINE Doubles weightOf(std::ptrdiff_t i, int h) const {
        return _task.imageWeights != nullptr ? fill(_task.imageWeights[i])
                                             : load<Doubles>(_weights + i * lanes + h * half);
    }

    // Ranks that lie between two others in order, of columns with given numbers of values, and their place between.
    struct Place {
        Counts rank, next;
        Doubles part[parts];
        std::int32_t least, most;  // of the ranks of all columns
    };
    // Return the place of a quantile among `count` values of each column, of which there are `least` to `most`, from
    // rank `from` on.
    static EVENSKY_INLINE Place placeOf(double fraction, Counts const& count, std::int32_t least, std::int32_t most) {
        Place result;
        HalfInts ranks[parts];
        for (int h = 0; h < parts; ++h) {
            auto const index = fraction * (widen(partOf(count, h)) - 1.0);
            auto const rank = truncated(index);
            ranks[h] = rank;
            result.part[h] = index - widen(rank);
        }
        result.rank = join(ranks);
        Counts const after = result.rank + 1;
        result.next = after < count ? after : result.rank;
        result.least = least > 0 ? static_cast<std::int32_t>(fraction * (least - 1)) : 0;
        result.most = most > 0 ? static_cast<std::int32_t>(fraction * (most - 1)) + 1 : 0;
        if (result.most >= most) result.most = most > 0 ? most - 1 : 0;
        return result;
    }
    static EVENSKY_INLINE void setBetween(Values const& below, Values const& above, Place const& place,
                                          Doubles (&result)[parts]) {
        for (int h = 0; h < parts; ++h) {
            auto const one = widen(below, h), other = widen(above, h);
            auto const part = place.part[h];
            Longs const exact = (one == other) | (part == 0.0);
            Doubles const between = (1.0 - part) * one + part * other;
            result[h] = exact ? one : between;
        }
    }
    // Find the values at a place in sorted columns.
    static EVENSKY_INLINE void find(T const* sorted, Place const& place, Doubles (&result)[parts]) {
        auto below = load<Values>(sorted + place.least * lanes);
        auto above = below;
        for (auto r = place.least + 1; r <= place.most; ++r) {
            auto const row = load<Values>(sorted + r * lanes);
            below = choose(equal(place.rank, Counts{} + r), row, below);
            above = choose(equal(place.next, Counts{} + r), row, above);
        }
        setBetween(below, above, place, result);
    }
    // Find a quantile of columns of n values.
    EVENSKY_INLINE void findOfAll(double fraction, Doubles (&result)[parts]) const {
        auto const index = fraction * static_cast<double>(_n - 1);
        auto const rank = static_cast<std::ptrdiff_t>(index);
        double const part = index - static_cast<double>(rank);
        auto const below = load<Values>(_sorted + rank * lanes);
        if (part == 0.0) {
            for (int h = 0; h < parts; ++h) result[h] = widen(below, h);
            return;
        }
        auto const above = load<Values>(_sorted + (rank + 1) * lanes);
        for (int h = 0; h < parts; ++h) {
            auto const one = widen(below, h), other = widen(above, h);
            Longs const same = one == other;
            Doubles const between = (1.0 - part) * one + part * other;
            result[h] = same ? one : between;
        }
    }
    void findQuartiles() {
        sort(_unsorted, _sorted, _n);
        auto least = leastOf(_ordered), most = mostOf(_ordered);
        bool const all = least == _n;
        bool const full = least >= _coreTo && _coreFrom < _coreTo;
        // A few rows more cost less than loops of unpredictable length.
        auto const n = static_cast<std::int32_t>(_n);
        if (least > n - 3) least = n - 3 > 0 ? n - 3 : 0;
        if (most > n - 3) most = n;
        _rows = most;
        auto const findQuantile = [&](double fraction, Doubles(&result)[parts]) __attribute__((always_inline)) {
            if (all) {
                findOfAll(fraction, result);
            } else {
                find(_sorted, placeOf(fraction, _ordered, least, most), result);
            }
        };
        findQuantile(0.5, _pivot);
        if (_task.clipping == Clipping::QUARTILES) {
            Doubles low[parts], high[parts];
            findQuantile(0.25, low);
            findQuantile(0.75, high);
            for (int h = 0; h < parts; ++h) _range[h] = high[h] - low[h];
        }
        for (int h = 0; h < parts; ++h) {
            Longs const some = widen(partOf(_ordered, h)) > 0.0;
            _pivot[h] = some ? _pivot[h] : fill(nan);
            _median[h] = _pivot[h];
        }
        if (_task.clipping == Clipping::NONE) return;
        // Pixels in the middle of the order are in almost all windows, and are summed once.
        if (_rows < _coreTo) _rows = static_cast<std::int32_t>(_coreTo);
        _coreLeast = load<Values>(_sorted + (_coreFrom < _n ? _coreFrom : _n - 1) * lanes);
        if (full) {
            _coreMost = load<Values>(_sorted + (_coreTo - 1) * lanes);
            _coreIsGood = true;
            addCore();
            return;
        }
        _coreMost = Values{} - L::infinity;
        for (auto i = _coreFrom; i < _coreTo; ++i) {
            auto const row = load<Values>(_sorted + i * lanes);
            _coreMost = choose(atMost(row, Values{} + L::largest), row, _coreMost);
        }
        addRows(_coreFrom, _coreTo, Values{} - L::largest, Values{} + L::largest, _core);
    }

    // Return one part of a row of sorted pixels.
    [[nodiscard]] EVENSKY_INLINE Doubles sortedRow(std::ptrdiff_t i, int h) const {
        auto const* const row = _sorted + i * lanes + h * half;
        if constexpr (parts == 2) {
            return widen(load<HalfFloats>(row));
        } else {
            return load<Doubles>(row);
        }
    }
    // Sum the core where all its pixels are good.
    EVENSKY_INLINE void addCore() {
        Doubles first[parts] = {}, second[parts] = {}, pivot[parts];
        for (int h = 0; h < parts; ++h) pivot[h] = _pivot[h];
        forRows(_coreFrom, _coreTo, [&](std::ptrdiff_t i) __attribute__((always_inline)) {
            for (int h = 0; h < parts; ++h) {
                Doubles const d = sortedRow(i, h) - pivot[h];
                first[h] += d;
                second[h] += d * d;
            }
        });
        _core.notBelow = _core.inside = Counts{} + static_cast<std::int32_t>(_coreTo - _coreFrom);
        for (int h = 0; h < parts; ++h) {
            _core.first[h] = first[h];
            _core.second[h] = second[h];
        }
    }
    EVENSKY_INLINE void addRows(std::ptrdiff_t from, std::ptrdiff_t to, Values low, Values high, Sums<T>& sums) const {
        auto notBelow = sums.notBelow, inside = sums.inside;
        Doubles first[parts], second[parts], pivot[parts];
        for (int h = 0; h < parts; ++h) {
            first[h] = sums.first[h];
            second[h] = sums.second[h];
            pivot[h] = _pivot[h];
        }
        for (auto i = from; i < to; ++i) {
            auto const row = load<Values>(_sorted + i * lanes);
            auto const reaches = atLeast(row, low);
            auto const in = both(reaches, atMost(row, high));
            notBelow = countWhere(notBelow, reaches);
            inside = countWhere(inside, in);
            for (int h = 0; h < parts; ++h) {
                auto const d = widen(row, h) - pivot[h];
                addDeviations(first[h], second[h], partOf(in, h), d);
            }
        }
        sums.notBelow = notBelow;
        sums.inside = inside;
        for (int h = 0; h < parts; ++h) {
            sums.first[h] = first[h];
            sums.second[h] = second[h];
        }
    }
    // Sum the sorted pixels within the window.
    [[nodiscard]] EVENSKY_INLINE Sums<T> sumWithin() const {
        Sums<T> sums;
        if (everywhere(both(atMost(_low, _coreLeast), atLeast(_high, _coreMost)))) {
            sums = _core;
        } else {
            addRows(_coreFrom, _coreTo, _low, _high, sums);
        }
        addRows(0, _coreFrom, _low, _high, sums);
        addRows(_coreTo, _rows, _low, _high, sums);
        return sums;
    }
    // Sum all pixels within the window with their weights.
    [[nodiscard]] WeightedSums<T> sumWeighted() const {
        WeightedSums<T> sums;
        for (std::ptrdiff_t i = 0; i < _n; ++i) {
            auto const value = load<Values>(_values + i * lanes);
            auto const in = both(atLeast(value, _low), atMost(value, _high));
            sums.inside = countWhere(sums.inside, in);
            for (int h = 0; h < parts; ++h) {
                auto const here = partOf(in, h);
                auto const w = weightOf(i, h);
                auto const d = widen(value, h) - _pivot[h];
                sums.weight[h] = addWhere(sums.weight[h], here, w);
                sums.weight2[h] = addWhere(sums.weight2[h], here, w * w);
                sums.first[h] = addWhere(sums.first[h], here, w * d);
                sums.second[h] = addWhere(sums.second[h], here, w * d * d);
            }
        }
        return sums;
    }

    // Set the window of values, which includes its ends.
    EVENSKY_INLINE void setWindow(Doubles const& low, Doubles const& high) {
        Doubles lows[parts], highs[parts];
        for (int h = 0; h < parts; ++h) {
            lows[h] = low;
            highs[h] = high;
        }
        setWindow(lows, highs);
    }
    EVENSKY_INLINE void setWindow(Doubles const (&low)[parts], Doubles const (&high)[parts]) {
        Doubles lows[parts], highs[parts];
        for (int h = 0; h < parts; ++h) {
            // No pixel passes a window that is NaN.
            Longs const known = (low[h] == low[h]) & (high[h] == high[h]);
            lows[h] = known ? low[h] : fill(infinity);
            highs[h] = known ? high[h] : fill(-infinity);
        }
        _low = larger(roundedUp(lows), Values{} - L::largest);
        _high = smaller(roundedDown(highs), Values{} + L::largest);
    }

    // Set mean and sum of w (x - mean)^2 of unweighted sums.
    EVENSKY_INLINE void setMoments(Sums<T> const& sums) {
        _inside = sums.inside;
        for (int h = 0; h < parts; ++h) {
            auto const count = widen(partOf(sums.inside, h));
            _weight[h] = _weight2[h] = count;
            setMoments(h, sums.first[h], sums.second[h]);
            if (!suspect(h, count, sums.second[h])) continue;
            for (int k = 0; k < half; ++k) {
                auto const lane = h * half + k;
                auto const inside = sums.inside[lane];
                if (inside == 0 || _scatter[h][k] > rounding * sums.second[h][k]) continue;
                auto const below = _rows - sums.notBelow[lane];
                setAboutMean(h, k, _sorted + below * lanes + lane, inside);
            }
            // The sum of squares beyond the range of float64 may be NaN.
            Longs const unknown = (_scatter[h] != _scatter[h]) & (count > 0.0);
            _scatter[h] = unknown ? fill(infinity) : _scatter[h];
        }
    }
    // Set the moments of sorted values of one column from their deviations from the mean: those from the median have
    // lost their digits if it is far from the values that are left.
    void setAboutMean(int h, int k, T const* sorted, std::int32_t count) {
        auto const least = static_cast<double>(sorted[0]), most = static_cast<double>(sorted[(count - 1) * lanes]);
        auto const n = static_cast<double>(count);
        if (least == most) {
            _mean[h][k] = least;
            _scatter[h][k] = 0.0;
            return;
        }
        double const centre = _mean[h][k] > least ? (_mean[h][k] < most ? _mean[h][k] : most) : least;
        double first = 0.0, second = 0.0;
        for (std::int32_t i = 0; i < count; ++i) {
            double const d = static_cast<double>(sorted[i * lanes]) - centre;
            first += d;
            second += d * d;
        }
        double const shift = first / n, scatter = second - first * shift;
        _mean[h][k] = centre + shift;
        _scatter[h][k] = scatter < 0.0 ? 0.0 : scatter;
    }
    EVENSKY_INLINE void setMoments(WeightedSums<T> const& sums) {
        _inside = sums.inside;
        for (int h = 0; h < parts; ++h) {
            auto const count = widen(partOf(sums.inside, h));
            _weight[h] = sums.weight[h];
            _weight2[h] = sums.weight2[h];
            setMoments(h, sums.first[h], sums.second[h]);
            if (suspect(h, count, sums.second[h])) setIfEqual(h);
        }
    }
    EVENSKY_INLINE void setMoments(int h, Doubles const& first, Doubles const& second) {
        auto const shift = first / _weight[h];
        Longs const known = _weight[h] != 0.0;
        _mean[h] = known ? _pivot[h] + shift : fill(nan);
        _scatter[h] = second - first * shift;
        // NaN stays.
        if (!_task.negativeWeights) _scatter[h] = larger(Doubles{}, _scatter[h]);
    }
    // Part of the squared deviations that their rounding leaves of a scatter of 0.
    static constexpr double rounding = 1e-12;
    // Equal values have exactly their value as mean, and no scatter, whatever the rounding of the sums. Return whether
    // there may be such columns.
    [[nodiscard]] EVENSKY_INLINE bool suspect(int h, Doubles const& count, Doubles const& second) const {
        return anywhere(without(atLeast(count, fill(1.0)), above(_scatter[h], rounding * second)));
    }
    void setIfEqual(int h, int k, T least, T most) {
        if (least != most) return;
        _mean[h][k] = static_cast<double>(least);
        _scatter[h][k] = 0.0;
    }
    // Set the moments of columns of equal values within the window.
    void setIfEqual(int h) {
        for (int k = 0; k < half; ++k) {
            auto const lane = h * half + k;
            T least = L::largest, most = -L::largest;
            for (std::ptrdiff_t i = 0; i < _n; ++i) {
                auto const value = _values[i * lanes + lane];
                if (!(value >= _low[lane] && value <= _high[lane])) continue;
                least = value < least ? value : least;
                most = value > most ? value : most;
            }
            setIfEqual(h, k, least, most);
        }
    }
    // Return the unbiased variance of the pixels of the last sums.
    [[nodiscard]] EVENSKY_INLINE Doubles sampleVariance(int h) const {
        auto const w = _weight[h], count = _weighted ? widen(partOf(_inside, h)) : w;
        Doubles const value =
                _weighted ? _scatter[h] / w * (w * w / (w * w - _weight2[h])) : _scatter[h] / (count - 1.0);
        return count > 1.0 ? value : fill(nan);
    }

    // Set mean and scatter of all good pixels, as far as they are needed.
    EVENSKY_INLINE void sumAll() {
        _inside = _good;
        bool const ordered = isOrdered();
        if (ordered && !needsScatter()) {
            for (int h = 0; h < parts; ++h) _weight[h] = widen(partOf(_good, h));
            return;
        }
        if (!ordered) {
            setPivotToMean();
            // Only sums of float32 in double precision are exact for equal values.
            if (!needsScatter() && parts == 2) return;
        }
        if (_weighted) {
            setMoments(sumWeighted());
            return;
        }
        WeightedSums<T> sums;
        sums.inside = _good;
        for (std::ptrdiff_t i = 0; i < _n; ++i) {
            auto const value = load<Values>(_values + i * lanes);
            auto const in = atMost(value, Values{} + L::largest);
            for (int h = 0; h < parts; ++h) {
                auto const d = widen(value, h) - _pivot[h];
                addDeviations(sums.first[h], sums.second[h], partOf(in, h), d);
            }
        }
        for (int h = 0; h < parts; ++h) sums.weight[h] = sums.weight2[h] = widen(partOf(sums.inside, h));
        setMoments(sums);
    }
    EVENSKY_INLINE void setPivotToMean() {
        Doubles sum[parts] = {}, weight[parts] = {};
        for (std::ptrdiff_t i = 0; i < _n; ++i) {
            auto const value = load<Values>(_values + i * lanes);
            auto const in = atMost(value, Values{} + L::largest);
            for (int h = 0; h < parts; ++h) {
                auto const here = partOf(in, h);
                if (_weighted) {
                    auto const w = weightOf(i, h);
                    sum[h] = addWhere(sum[h], here, w * widen(value, h));
                    weight[h] = addWhere(weight[h], here, w);
                } else {
                    sum[h] = addWhere(sum[h], here, widen(value, h));
                }
            }
        }
        for (int h = 0; h < parts; ++h) {
            _weight[h] = _weighted ? weight[h] : widen(partOf(_good, h));
            _pivot[h] = _mean[h] = sum[h] / _weight[h];
        }
    }

    // Set the window about a centre; widths that are NaN stay so.
    EVENSKY_INLINE void setWindow(Doubles const (&centre)[parts], Doubles const (&low)[parts],
                                  Doubles const (&high)[parts]) {
        Doubles lows[parts], highs[parts];
        for (int h = 0; h < parts; ++h) {
            lows[h] = centre[h] - widened(low[h]);
            highs[h] = centre[h] + widened(high[h]);
        }
        setWindow(lows, highs);
    }
    [[nodiscard]] EVENSKY_INLINE Doubles widened(Doubles const& width) const {
        return width < _task.leastHalfWidth ? fill(_task.leastHalfWidth) : width;
    }

    // Clip with a window from the median and the interquartile range in the first round, and from the mean and the
    // standard deviation of the last round in later ones. Each round looks at all good pixels.
    void clipByQuartiles() {
        if (!_weighted) {
            bool const plain = _task.sigmaLow < infinity && _task.sigmaHigh < infinity && !(_task.leastHalfWidth > 0.0);
            if (plain) {
                clipUnweighted<true>();
            } else {
                clipUnweighted<false>();
            }
            return;
        }
        Doubles low[parts], high[parts];
        setFirstWidths<false>(low, high);
        setWindow(_median, low, high);
        for (int round = 0; round < _task.rounds; ++round) {
            if (round > 0) {
                setWidths<false>(low, high);
                setWindow(_mean, low, high);
            }
            setMoments(sumWeighted());
        }
    }
    // Return the width of the window on one side; it is `Plain` if sigma is finite.
    template <bool Plain>
    [[nodiscard]] static EVENSKY_INLINE Doubles widthOf(double sigma, Doubles const& scatter) {
        return Plain ? Doubles(sigma * scatter) : clipWidth(sigma, scatter);
    }
    template <bool Plain>
    EVENSKY_INLINE void setFirstWidths(Doubles (&low)[parts], Doubles (&high)[parts]) const {
        for (int h = 0; h < parts; ++h) {
            low[h] = widthOf<Plain>(_task.sigmaLow * _task.rangeToStdev, _range[h]);
            high[h] = widthOf<Plain>(_task.sigmaHigh * _task.rangeToStdev, _range[h]);
        }
    }
    // Set widths of the window from the standard deviations of the last round.
    template <bool Plain>
    EVENSKY_INLINE void setWidths(Doubles (&low)[parts], Doubles (&high)[parts]) const {
        // A single good pixel has no standard deviation, so the width of the first round stays.
        bool const anySingle = anywhere(equal(_good, Counts{} + 1));
        for (int h = 0; h < parts; ++h) {
            auto const stdev = rootOf(_weighted ? sampleVariance(h) : Doubles(_scatter[h] / (_weight[h] - 1.0)));
            auto const below = widthOf<Plain>(_task.sigmaLow, stdev);
            auto const beyond = widthOf<Plain>(_task.sigmaHigh, stdev);
            if (anySingle) {
                Longs const single = widen(partOf(_good, h)) == 1.0;
                low[h] = single ? low[h] : below;
                high[h] = single ? high[h] : beyond;
            } else {
                low[h] = below;
                high[h] = beyond;
            }
        }
    }
    // The same without weights. Windows stay in double precision until the last, and the deviations of pixels outside
    // the core are found once. Windows are `Plain` if they have ends on both sides, and no least width.
    template <bool Plain>
    EVENSKY_INLINE void clipUnweighted() {
        Doubles low[parts], high[parts];
        setFirstWidths<Plain>(low, high);
        Doubles lows[parts] = {}, highs[parts] = {}, coreLeast[parts], coreMost[parts];
        Doubles lastNotBelow[parts] = {}, lastInside[parts] = {};
        for (int h = 0; h < parts; ++h) {
            coreLeast[h] = widen(_coreLeast, h);
            coreMost[h] = widen(_coreMost, h);
            _mean[h] = _median[h];
        }
        bool stored = false;
        for (int round = 0; round < _task.rounds; ++round) {
            if (round > 0) setWidths<Plain>(low, high);
            Where<double> whole[parts];
            for (int h = 0; h < parts; ++h) {
                // No pixel passes a window that is NaN, and none is below -largest.
                lows[h] = _mean[h] - (Plain ? low[h] : widened(low[h]));
                highs[h] = smaller(fill(double{L::largest}), _mean[h] + (Plain ? high[h] : widened(high[h])));
                whole[h] = both(atMost(lows[h], coreLeast[h]), atLeast(highs[h], coreMost[h]));
            }
            Edges sums;
            if (_coreIsGood && allOf(whole)) {
                // The window begins below the core and ends above it.
                if (stored) {
                    addEdges<false>(lows, highs, sums);
                } else {
                    addEdges<true>(lows, highs, sums);
                }
                stored = true;
            } else {
                if (allOf(whole)) {
                    for (int h = 0; h < parts; ++h) {
                        sums.notBelow[h] = widen(partOf(_core.notBelow, h));
                        sums.inside[h] = widen(partOf(_core.inside, h));
                        sums.first[h] = _core.first[h];
                        sums.second[h] = _core.second[h];
                    }
                } else {
                    addRows(_coreFrom, _coreTo, lows, highs, sums);
                }
                addRows(0, _coreFrom, lows, highs, sums);
                addRows(_coreTo, _rows, lows, highs, sums);
            }
            Where<double> same[parts];
            for (int h = 0; h < parts; ++h) {
                same[h] = both(equal(sums.notBelow[h], lastNotBelow[h]), equal(sums.inside[h], lastInside[h]));
            }
            if (round > 0 && allOf(same)) break;
            for (int h = 0; h < parts; ++h) {
                lastNotBelow[h] = sums.notBelow[h];
                lastInside[h] = sums.inside[h];
                auto const count = sums.inside[h];
                _weight[h] = _weight2[h] = count;
                setMoments(h, sums.first[h], sums.second[h]);
                if (suspect(h, count, sums.second[h])) {
                    for (int k = 0; k < half; ++k) {
                        auto const lane = h * half + k;
                        auto const inside = static_cast<std::int32_t>(count[k]);
                        if (inside == 0) continue;
                        auto const below = _rows - static_cast<std::int32_t>(sums.notBelow[h][k]);
                        setIfEqual(h, k, _sorted[below * lanes + lane], _sorted[(below + inside - 1) * lanes + lane]);
                    }
                }
            }
        }
        HalfInts inside[parts];
        for (int h = 0; h < parts; ++h) inside[h] = truncated(lastInside[h]);
        _inside = join(inside);
        setWindow(lows, highs);
    }
    struct Edges {
        Doubles notBelow[parts] = {}, inside[parts] = {}, first[parts] = {}, second[parts] = {};
    };
    // Add the pixels outside a core that is good and inside the window: those before it are not above the window, and
    // those behind it not below. `First` stores them, their deviations and the squares of these; later calls load them.
    template <bool First>
    EVENSKY_INLINE void addEdges(Doubles const (&low)[parts], Doubles const (&high)[parts], Edges& sums) const {
        Tally before[parts] = {}, behind[parts] = {};
        Doubles first[parts], second[parts];
        for (int h = 0; h < parts; ++h) {
            first[h] = _core.first[h];
            second[h] = _core.second[h];
        }
        auto* stored = _weights;
        auto const addRow = [&](std::ptrdiff_t i, bool isBefore) __attribute__((always_inline)) {
            for (int h = 0; h < parts; ++h, stored += 3 * half) {
                Doubles x, d, d2;
                if (First) {
                    x = sortedRow(i, h);
                    d = x - _pivot[h];
                    d2 = d * d;
                    store(stored, x);
                    store(stored + half, d);
                    store(stored + 2 * half, d2);
                } else {
                    x = load<Doubles>(stored);
                    d = load<Doubles>(stored + half);
                    d2 = load<Doubles>(stored + 2 * half);
                }
                auto const in = isBefore ? atLeast(x, low[h]) : atMost(x, high[h]);
                auto& tally = isBefore ? before[h] : behind[h];
                tally = columns::tally(tally, in);
                first[h] = addWhere(first[h], in, d);
                second[h] = addWhere(second[h], in, d2);
            }
        };
        forRows(0, _coreFrom, [&](std::ptrdiff_t i) __attribute__((always_inline)) { addRow(i, true); });
        forRows(_coreTo, _rows, [&](std::ptrdiff_t i) __attribute__((always_inline)) { addRow(i, false); });
        auto const core = static_cast<double>(_coreTo - _coreFrom), last = static_cast<double>(_rows - _coreTo);
        for (int h = 0; h < parts; ++h) {
            Doubles const inside = core + asDoubles(before[h]);
            sums.notBelow[h] = inside + last;
            sums.inside[h] = inside + asDoubles(behind[h]);
            sums.first[h] = first[h];
            sums.second[h] = second[h];
        }
    }
    void addRows(std::ptrdiff_t start, std::ptrdiff_t end, Doubles const (&low)[parts], Doubles const (&high)[parts],
                 Edges& sums) const {
        for (auto i = start; i < end; ++i) {
            for (int h = 0; h < parts; ++h) {
                auto const x = sortedRow(i, h);
                Doubles const d = x - _pivot[h];
                addPixels(x, d, d * d, low, high, h, sums);
            }
        }
    }
    static EVENSKY_INLINE void addPixels(Doubles const& x, Doubles const& d, Doubles const& d2,
                                         Doubles const (&low)[parts], Doubles const (&high)[parts], int h,
                                         Edges& sums) {
        auto const reaches = atLeast(x, low[h]);
        auto const in = both(reaches, atMost(x, high[h]));
        sums.notBelow[h] = addWhere(sums.notBelow[h], reaches, fill(1.0));
        sums.inside[h] = addWhere(sums.inside[h], in, fill(1.0));
        sums.first[h] = addWhere(sums.first[h], in, d);
        sums.second[h] = addWhere(sums.second[h], in, d2);
    }
    // Whether two sums are over the same pixels of all columns.
    static EVENSKY_INLINE bool isSame(Sums<T> const& one, Sums<T> const& other) {
        return everywhere(both(equal(one.notBelow, other.notBelow), equal(one.inside, other.inside)));
    }

    // Clip the pixels that the last round has left, about their centre by their scatter. The last window holds for all
    // good pixels, so that some return if it is wider than those before.
    void clipWhatIsLeft() {
        auto last = sumWithin();
        setMoments(last);
        Values lowest = _low, highest = _high;
        for (int round = 0; round < _task.rounds; ++round) {
            Doubles centre[parts] = {}, scatter[parts] = {}, low[parts] = {}, high[parts] = {};
            bool const about = _task.centre == ColumnCentre::MEDIAN || _task.scatter == ColumnScatter::MAD;
            if (about) findMedianOf(last, centre);
            if (_task.scatter == ColumnScatter::MAD) {
                findDeviationOf(last, centre, scatter);
            } else {
                for (int h = 0; h < parts; ++h) scatter[h] = rootOf(_scatter[h] / _weight[h]);
            }
            for (int h = 0; h < parts; ++h) {
                if (_task.centre == ColumnCentre::MEAN) centre[h] = _mean[h];
                low[h] = clipWidth(_task.sigmaLow, scatter[h]);
                high[h] = clipWidth(_task.sigmaHigh, scatter[h]);
            }
            auto const lowBefore = _low, highBefore = _high;
            setWindow(centre, low, high);
            lowest = _low;
            highest = _high;
            _low = larger(_low, lowBefore);
            _high = smaller(_high, highBefore);
            auto const sums = sumWithin();
            if (isSame(sums, last)) break;
            setMoments(sums);
            last = sums;
        }
        _low = lowest;
        _high = highest;
        if (_weighted) {
            setMoments(sumWeighted());
            return;
        }
        auto const left = sumWithin();
        setMoments(left);
        if (_task.leftMedian != nullptr) findMedianOf(left, _leftMedian);
    }
    // Find the median of the pixels of some sums.
    EVENSKY_INLINE void findMedianOf(Sums<T> const& sums, Doubles (&result)[parts]) const {
        auto place = placeOf(0.5, sums.inside, 0, 0);
        Counts const below = _rows - sums.notBelow;
        place.rank += below;
        place.next += below;
        auto const least = leastOf(place.rank), to = mostOf(place.next);
        place.least = least < 0 ? 0 : least;
        place.most = to < _n ? to : static_cast<std::int32_t>(_n) - 1;
        find(_sorted, place, result);
    }
    // Find the median of |x - centre| of the pixels of some sums, as a standard deviation. The k pixels nearest to the
    // centre are neighbours in order, and one of the two at their ends is the farthest of them. So the k-th smallest
    // distance is the least, over all k neighbours, of the larger distance of the two at their ends.
    void findDeviationOf(Sums<T> const& sums, Doubles const (&centre)[parts], Doubles (&result)[parts]) {
        constexpr double madToStdev = 1.482602218505602;
        Counts const begin = _rows - sums.notBelow, end = begin + sums.inside;
        // Rows that are within the window of some column, and of all.
        auto const first = leastOf(begin), last = mostOf(end);
        auto const allFrom = mostOf(begin), allTo = leastOf(end) > allFrom ? leastOf(end) : allFrom;
        auto const keepRow = [&](std::int32_t i, bool partly) __attribute__((always_inline)) {
            auto const row = load<Values>(_sorted + i * lanes);
            auto const in = both(atLeast(row, _low), atMost(row, _high));
            for (int h = 0; h < parts; ++h) {
                auto distance = magnitude(widen(row, h) - centre[h]);
                if (partly) distance = choose(partOf(in, h), distance, fill(infinity));
                store(_deviations + i * lanes + h * half, distance);
            }
        };
        for (auto i = first; i < allFrom; ++i) keepRow(i, true);
        for (auto i = allFrom; i < allTo; ++i) keepRow(i, false);
        for (auto i = allTo; i < last; ++i) keepRow(i, true);
        Counts const toBelow = (sums.inside + 1) >> 1, toAbove = (sums.inside >> 1) + 1;
        Doubles below[parts], above[parts];
        for (int h = 0; h < parts; ++h) below[h] = above[h] = fill(infinity);
        auto const most = mostOf(toAbove);
        for (auto k = leastOf(toBelow); k <= most; ++k) {
            auto const isBelow = equal(toBelow, Counts{} + k), isAbove = equal(toAbove, Counts{} + k);
            if (k < 1 || !(anywhere(isBelow) || anywhere(isAbove))) continue;
            Doubles nearest[parts];
            for (int h = 0; h < parts; ++h) nearest[h] = fill(infinity);
            auto const* one = _deviations + first * lanes;
            auto const* other = one + (k - 1) * lanes;
            for (auto const* const stop = _deviations + last * lanes; other < stop; one += lanes, other += lanes) {
                for (int h = 0; h < parts; ++h) {
                    auto const farthest = larger(load<Doubles>(one + h * half), load<Doubles>(other + h * half));
                    nearest[h] = smaller(nearest[h], farthest);
                }
            }
            for (int h = 0; h < parts; ++h) {
                below[h] = choose(partOf(isBelow, h), nearest[h], below[h]);
                above[h] = choose(partOf(isAbove, h), nearest[h], above[h]);
            }
        }
        for (int h = 0; h < parts; ++h) {
            Longs const some = widen(partOf(sums.inside, h)) > 0.0;
            result[h] = some ? madToStdev * (0.5 * (below[h] + above[h])) : fill(nan);
        }
    }

    // Sum what depends on the images, of the pixels within the window.
    void sumInputs() {
        bool const varies = _task.error == ColumnError::VARIANCES || _task.error == ColumnError::MOSAIC ||
                            _task.error == ColumnError::MEDIAN;
        bool const weighted = _weighted && _task.error != ColumnError::MEDIAN;
        bool const clips = _task.clipping != Clipping::NONE;
        bool const ors = clips && _task.orMasks && !_task.orOfAllGood && anywhereSet(_orMask);
        _orUsed = _orMask;
        if (_task.time != nullptr) sumTimes();
        if (!clips && !varies) return;
        if (varies && weighted) {
            addInputs<true, true, false>(ors);
        } else if (varies && _task.varianceSoftening != nullptr) {
            addInputs<true, false, true>(ors);
        } else if (varies) {
            addInputs<true, false, false>(ors);
        } else {
            addInputs<false, false, false>(ors);
        }
    }
    void sumTimes() {
        auto const step = _blocks.step;
        auto const* values = _bare ? _blocks.values(_part) : reinterpret_cast<char const*>(_values);
        auto const valuesStep = _bare ? step : static_cast<std::ptrdiff_t>(sizeof(Values));
        for (int h = 0; h < parts; ++h) _time[h] = Doubles{};
        for (std::ptrdiff_t i = 0; i < _n; ++i, values += valuesStep) {
            auto const value = load<Values>(values);
            auto const in = both(atLeast(value, _low), atMost(value, _high));
            for (int h = 0; h < parts; ++h) _time[h] = addWhere(_time[h], partOf(in, h), fill(_task.times[i]));
        }
    }
    template <bool Varies, bool Weighted, bool Softened>
    EVENSKY_INLINE void addInputs(bool ors) {
        if (ors) {
            addInputs<Varies, Weighted, Softened, true>();
        } else {
            addInputs<Varies, Weighted, Softened, false>();
        }
    }
    template <bool Varies, bool Weighted, bool Softened, bool Ors>
    EVENSKY_INLINE void addInputs() {
        auto const n = _n, step = _blocks.step;
        auto const* values = _bare ? _blocks.values(_part) : reinterpret_cast<char const*>(_values);
        auto const valuesStep = _bare ? step : static_cast<std::ptrdiff_t>(sizeof(Values));
        auto const* masks = _blocks.masks(_part);
        auto const* variances = _blocks.variances(_part);
        auto* counts = _task.used;
        auto const low = _low, high = _high;
        Counts orUsed{};
        Doubles sumWVar[parts] = {}, sumW2Var[parts] = {};
        Singles most{}, least = Singles{} + Lanes<float>::infinity;  // largest and smallest variance
        auto const addImage = [&](std::ptrdiff_t i) __attribute__((always_inline)) {
            auto const value = load<Values>(values);
            auto const in = both(atLeast(value, low), atMost(value, high));
            if constexpr (Ors) orUsed |= columns::keep(load<Counts>(masks), in);
            store(counts, countWhere(load<Counts>(counts), in));
            if constexpr (Varies && !Weighted) {
                auto const variance = load<Singles>(variances);
                Singles const kept = columns::keep(variance, in);
                if constexpr (Softened) {
                    most = larger(kept, most);
                    least = smaller(choose(in, variance, Singles{} + Lanes<float>::infinity), least);
                }
                for (int h = 0; h < parts; ++h) sumW2Var[h] += widen(kept, h);
            } else if constexpr (Varies) {
                for (int h = 0; h < parts; ++h) {
                    auto const v = widen(load<HalfFloats>(variances + h * (bytes / 2)));
                    auto const w = weightOf(i, h);
                    sumWVar[h] = addWhere(sumWVar[h], partOf(in, h), w * v);
                    sumW2Var[h] = addWhere(sumW2Var[h], partOf(in, h), w * w * v);
                }
            }
            values += valuesStep;
            masks += step;
            variances += step;
            counts += ColumnsTask<T>::maxLanes;
        };
        forRows(0, n, addImage);
        for (int h = 0; h < parts; ++h) {
            _sumWVar[h] = Weighted ? sumWVar[h] : sumW2Var[h];
            _sumW2Var[h] = sumW2Var[h];
        }
        if constexpr (Ors) _orUsed = orUsed;
        if constexpr (Softened) {
            // If no variance is farther from their mean, softening changes the result by less than 0.1 %.
            constexpr double nearly = 1.03;
            Where<double> alike[parts];
            for (int h = 0; h < parts; ++h) {
                auto const count = widen(partOf(_inside, h));
                alike[h] = without(atMost(widen(most, h) * count, nearly * _sumW2Var[h]),
                                   above(_sumW2Var[h], nearly * widen(least, h) * count));
            }
            if (!allOf(alike)) soften(alike);
        }
    }
    // In columns whose variances v are not alike, replace the sum of the n variances with n (h - s m), where m is their
    // mean, s the softening, and h the harmonic mean of v + s m.
    void soften(Where<double> const (&alike)[parts]) {
        Doubles count[parts], softening[parts];
        HalfFloats inverse[parts], offset[parts];
        for (int h = 0; h < parts; ++h) {
            count[h] = widen(partOf(_inside, h));
            softening[h] = lookUp(_task.varianceSoftening, partOf(_good, h));
            inverse[h] = narrowed(count[h] / _sumW2Var[h]);
            offset[h] = narrowed(softening[h]);
        }
        // In units of the mean.
        auto const scale = join(inverse), added = join(offset);
        auto const n = _n, step = _blocks.step;
        auto const* values = _bare ? _blocks.values(_part) : reinterpret_cast<char const*>(_values);
        auto const valuesStep = _bare ? step : static_cast<std::ptrdiff_t>(sizeof(Values));
        auto const* variances = _blocks.variances(_part);
        auto const low = _low, high = _high;
        // One sum, in the order of the images: those that have no pixel here do not change it, wherever they stand.
        Singles sum{};
        forRows(0, n, [&](std::ptrdiff_t) __attribute__((always_inline)) {
            auto const value = load<Values>(values);
            auto const in = both(atLeast(value, low), atMost(value, high));
            sum += columns::keep(1.0F / (load<Singles>(variances) * scale + added), in);
            values += valuesStep;
            variances += step;
        });
        for (int h = 0; h < parts; ++h) {
            Doubles const softened = count[h] / widen(sum, h) - softening[h];
            // It lies between, but for rounding, unless variances are negative or the softening is infinite.
            Longs const known = (softened >= 0.0) & (softened <= 1.0);
            Doubles const replaced = _sumW2Var[h] * (known ? softened : fill(1.0));
            _sumW2Var[h] = choose(alike[h], _sumW2Var[h], replaced);
        }
    }
    static EVENSKY_INLINE bool anywhereSet(Counts const& bits) { return !everywhere(equal(bits, Counts{})); }

    void write() const {
        Longs none[parts];
        for (int h = 0; h < parts; ++h) none[h] = widen(partOf(_good, h)) == 0.0;
        Counts const rejected = _good - _inside;
        for (int h = 0; h < parts; ++h) {
            auto const count = widen(partOf(_inside, h)), w = _weight[h];
            Doubles value = _task.value == ColumnValue::MEDIAN ? _median[h] : _mean[h], error2{};
            auto const sample = needsScatter() ? sampleVariance(h) : Doubles{};
            switch (_task.error) {
                case ColumnError::NONE: break;
                case ColumnError::SAMPLE: error2 = sampleError2(sample, count, h); break;
                case ColumnError::VARIANCES: error2 = _sumW2Var[h] / (w * w); break;
                case ColumnError::MOSAIC: error2 = _sumWVar[h] / w; break;
                case ColumnError::MEDIAN: {
                    constexpr double halfPi = 1.5707963267948966;
                    Doubles const mean = _sumW2Var[h] / (count * count);
                    error2 = count > 2.0 ? halfPi * mean : mean;
                    break;
                }
            }
            if (_task.value == ColumnValue::VARIANCE) value = sample;
            if (_task.value == ColumnValue::STDEV) value = rootOf(sample);
            value = none[h] ? fill(nan) : value;
            error2 = none[h] ? fill(nan) : error2;
            auto const at = _x + h * half, width = _width - h * half;
            if (width <= 0) break;
            if (_task.leftMean != nullptr) writeLeft(h, at, width);
            if (_task.image != nullptr) writeImage(value, at, width);
            if (_task.variance != nullptr) {
                auto const error = rootOf(error2);
                auto variance = narrowed(error * error);
                if (_task.varianceFactors != nullptr) {
                    variance = narrowed(widen(variance) * lookUp(_task.varianceFactors, partOf(_good, h)));
                }
                storeRow(_task.variance + at, variance, width);
            }
            if (_task.time != nullptr) storeRow(_task.time + at, narrowed(_time[h]), width);
            if (_task.weight != nullptr) {
                auto const weight = none[h] ? Doubles{} : w;
                storeRow(_task.weight + at, narrowed(weight), width);
            }
        }
        if (_task.number != nullptr) storeRow(_task.number + _x, _inside, _width);
        if (_task.rejected != nullptr) storeRow(_task.rejected + _x, rejected, _width);
        if (_task.mask != nullptr) storeRow(_task.mask + _x, maskOfResult(rejected), _width);
    }
    EVENSKY_INLINE void writeImage(Doubles const& value, std::ptrdiff_t at, std::ptrdiff_t width) const {
        if constexpr (parts == 2) {
            storeRow(_task.image + at, narrowed(value), width);
        } else {
            storeRow(_task.image + at, value, width);
        }
    }
    EVENSKY_INLINE void writeLeft(int h, std::ptrdiff_t at, std::ptrdiff_t width) const {
        auto const count = widen(partOf(_inside, h));
        Longs const none = count == 0.0;
        Doubles const divisor = count - _task.ddof;
        Doubles const stdev = rootOf(divisor > 0.0 ? _scatter[h] / divisor : fill(nan));
        Doubles const mean = none ? fill(nan) : _mean[h], median = none ? fill(nan) : _leftMedian[h];
        Doubles const scatter = none ? fill(nan) : stdev;
        storeRow(_task.leftMean + at, mean, width);
        storeRow(_task.leftMedian + at, median, width);
        storeRow(_task.leftStdev + at, scatter, width);
    }
    [[nodiscard]] EVENSKY_INLINE Doubles sampleError2(Doubles const& sample, Doubles const& count, int h) const {
        constexpr double halfPi = 1.5707963267948966;
        auto const w = _weight[h];
        switch (_task.value) {
            case ColumnValue::MEDIAN: return halfPi * sample / widen(partOf(_good, h));
            case ColumnValue::MEAN: return sample * (_weight2[h] / (w * w));
            case ColumnValue::VARIANCE:
            case ColumnValue::STDEV: break;
        }
        Doubles const ofVariance = 2.0 * (count - 1.0) * sample * sample / (count * count);
        return _task.value == ColumnValue::STDEV ? 0.25 * ofVariance / sample : ofVariance;
    }
    [[nodiscard]] EVENSKY_INLINE Counts maskOfResult(Counts const& rejected) const {
        Counts const none = _good == 0;
        Counts mask{};
        if (_task.orMasks) mask = _orUsed;
        mask |= (rejected > 0) & _task.clippedBits;
        mask = none ? Counts{} + _task.noGoodBits : mask;
        Counts const incomplete = _good < static_cast<std::int32_t>(_n);
        for (std::ptrdiff_t i = 0; i < _task.maps; ++i) {
            Counts const found = (_anyMask & _task.mapFrom[i]) != 0;
            mask |= found & incomplete & _task.mapTo[i];
        }
        return mask;
    }

    ColumnsTask<T> const& _task;
    Blocks<T>& _blocks;
    std::ptrdiff_t const _n, _part, _x, _width;
    T* const _values;           // infinite for pixels that do not count
    T* const _sorted;           // the same, in order, so that these come last
    T const* _unsorted;         // where they are before that
    double* const _weights;     // if they are from variances
    double* const _deviations;  // room for the median deviation
    bool const _weighted;
    bool const _bare;  // whether the window alone tells which pixels of the block count, so that `_values` is not set
    std::ptrdiff_t const _coreFrom, _coreTo;
    std::int32_t _rows = 0;  // rows of sorted columns that hold pixels
    Counts _ordered, _good, _orMask, _anyMask, _orUsed;
    Doubles _pivot[parts], _median[parts], _range[parts], _leftMedian[parts];
    bool _coreIsGood = false;  // all its pixels are
    Values _coreLeast, _coreMost;
    Sums<T> _core;
    Values _low, _high;  // the window
    Counts _inside;
    Doubles _weight[parts], _weight2[parts], _mean[parts], _scatter[parts], _sumWVar[parts], _sumW2Var[parts],
            _time[parts];
};

template <typename T>
void compute(ColumnsTask<T> const& task, std::ptrdiff_t x, std::ptrdiff_t width) {
    constexpr std::ptrdiff_t lanes = Lanes<T>::count;
    Blocks<T> blocks(task, x, width);
    for (std::ptrdiff_t at = 0; at < width;) {
        auto const some = blocks.turn();
        for (std::ptrdiff_t part = 0; part < some; part += lanes) {
            auto const rest = some - part;
            Columns<T>(task, blocks, part, x + at + part, rest < lanes ? rest : lanes).compute();
        }
        at += some;
    }
    blocks.countFull();
}

}  // namespace columns
}  // namespace
}  // namespace evensky::detail
