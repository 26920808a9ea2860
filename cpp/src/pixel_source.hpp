#pragma once

// Sources of pixels for statistics.
//
// A source provides blocks: the good pixels of a fixed part of the image, packed together, with their weights and
// variances if the statistics need them. Statistics are computed from blocks alone, so the same code serves an image,
// the difference of two images, and a packed copy in memory. The division into blocks depends only on the size of the
// image, so that sums do not depend on the number of threads.

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <type_traits>
#include <vector>

#include "evensky/statistics.hpp"
#include "evensky/stored.hpp"
#include "evensky/view.hpp"
#include "kernels/kernels.hpp"
#include "staged_rows.hpp"

namespace evensky::detail {

// Largest number of pixels of a block: its values, weights and variances fit into the first two cache levels.
inline constexpr std::ptrdiff_t blockPixels = 4096;

// Return whether a pixel is finite as a float32, as lsst.afw.math does: a float64 beyond the range of float32 is not.
template <typename T>
[[nodiscard]] inline bool isFinitePixel(T value) noexcept {
    if constexpr (std::is_integral_v<T>) {
        return true;
    } else {
        return std::abs(value) <= static_cast<T>(std::numeric_limits<float>::max()) ||
               std::isfinite(static_cast<float>(value));
    }
}

template <typename T>
struct Block {
    T const* values = nullptr;
    double const* weights = nullptr;   // null if unweighted; may hold noWeight
    float const* variances = nullptr;  // null if no statistics need them
    std::ptrdiff_t size = 0;
    std::ptrdiff_t unweighted = 0;  // number of pixels without a weight

    // Weights that are not computed yet are these numbers or their inverse, for weightedMoments() alone: `weights` is
    // null then, and `unweighted` not known.
    float const* given = nullptr;
    bool inverse = false;
};

template <typename T>
struct BlockStorage {
    std::vector<T> values;
    std::vector<double> weights;
    std::vector<float> variances;
    std::vector<float> given;       // weights that are not computed yet
    bool defers = false;            // weights are not computed if that can wait
    BufferOf<float> weightRow;      // packed pixels of the weights plane
    std::ptrdiff_t unweighted = 0;  // number of pixels without a weight that were appended

    // Rows of the planes of up to two images.
    std::array<StagedRows<T>, 2> rows;
    std::array<StagedRows<MaskPixel>, 2> maskRows;
    StagedRows<float> varianceRows, weightRows;
    bool alone = false;  // rows are not followed by the next ones of the same columns

    // Provide memory for `size` pixels, and for the values that kernels may write after them.
    void reserve(std::ptrdiff_t size, bool weighted, bool withVariance) {
        auto const room = static_cast<std::size_t>(size + slack);
        if (values.size() < room) values.resize(room);
        if (weighted && weights.size() < room) weights.resize(room);
        if (withVariance && variances.size() < room) variances.resize(room);
        if (weighted && defers && given.size() < room) given.resize(room);
    }
};

// Information on masks, gathered while pixels are collected.
struct MaskTally {
    MaskPixel orMask = 0;
    std::array<double, 32> rejectedWeight{};  // total weight of the rejected pixels that have the bit

    void merge(MaskTally const& other) noexcept {
        orMask |= other.orMask;
        for (std::size_t bit = 0; bit < rejectedWeight.size(); ++bit) rejectedWeight[bit] += other.rejectedWeight[bit];
    }
};

// Collect the good pixels of one block of a source.
template <typename Source>
Block<typename Source::value_type> loadBlock(Source const& source, std::ptrdiff_t block,
                                             BlockStorage<typename Source::value_type>& storage, MaskTally* tally) {
    storage.unweighted = 0;
    auto const n = source.append(block, storage, 0, tally);
    if constexpr (requires { source.defersWeights(storage); }) {
        if (source.defersWeights(storage)) {
            bool const inverse = source.inverse();
            return {storage.values.data(),
                    nullptr,
                    source.withVariance() ? storage.variances.data() : nullptr,
                    n,
                    0,
                    inverse ? storage.variances.data() : storage.given.data(),
                    inverse};
        }
    }
    return {storage.values.data(), source.weighted() ? storage.weights.data() : nullptr,
            source.withVariance() ? storage.variances.data() : nullptr, n, storage.unweighted};
}

// Prefetch a small part of a source, if the source can tell what memory it needs.
template <typename Source>
void fetchAll(Source const& source, Box const& part) {
    if constexpr (requires { source.ahead(part); }) {
        source.fetchApart(part);
        auto const ahead = source.ahead(part);
        for (auto const at : ahead.at) {
            if (at == 0) continue;
            for (std::ptrdiff_t byte = 0; byte < ahead.width; byte += Ahead::lineBytes) {
                __builtin_prefetch(reinterpret_cast<void const*>(at + static_cast<std::uintptr_t>(byte)));
            }
        }
    }
}

// Return the memory that loading a block will read, if the source can tell.
template <typename Source>
Ahead aheadOf(Source const& source, std::ptrdiff_t block) {
    if constexpr (requires { source.ahead(source.blockBox(block)); }) {
        return source.ahead(source.blockBox(block));
    } else {
        return {};
    }
}

// Division of a width x height image into blocks.
class Tiling {
public:
    Tiling() = default;
    Tiling(std::ptrdiff_t width, std::ptrdiff_t height) : _width(width), _height(height) {
        if (width >= blockPixels) {
            _columns = (width + blockPixels - 1) / blockPixels;
            _rowsPerBlock = 1;
        } else {
            _columns = 1;
            _rowsPerBlock = blockPixels / std::max<std::ptrdiff_t>(width, 1);
        }
        _count = _columns * ((height + _rowsPerBlock - 1) / _rowsPerBlock);
    }
    [[nodiscard]] std::ptrdiff_t count() const noexcept { return _count; }
    [[nodiscard]] Box box(std::ptrdiff_t block) const noexcept {
        auto const row = block / _columns * _rowsPerBlock;
        if (_columns == 1) return {0, row, _width, std::min(_rowsPerBlock, _height - row)};
        auto const column = block % _columns * blockPixels;
        return {column, row, std::min(blockPixels, _width - column), 1};
    }

private:
    std::ptrdiff_t _width = 0, _height = 0, _columns = 1, _rowsPerBlock = 1, _count = 0;
};

// Add a part of a plane to the memory that will be read next.
inline void joinAhead(Ahead& ahead, StoredPlane const& plane, Box const& part) {
    if (!plane.exists() || !isNear(plane) || part.isEmpty()) return;
    std::size_t k = 0;
    while (k < Ahead::maxPlanes && ahead.at[k] != 0) ++k;
    if (k == Ahead::maxPlanes) return;
    // Count whole cache lines: a row may begin and end within a line.
    auto const first = firstByte(plane, part.x0, part.y0, part.width);
    auto const into = static_cast<std::ptrdiff_t>(first % Ahead::lineBytes);
    ahead.at[k] = first - static_cast<std::uintptr_t>(into);
    ahead.step[k] = plane.strideY();
    // Other rows may begin at another place in a line.
    auto const before = ahead.step[k] % Ahead::lineBytes == 0 ? into : Ahead::lineBytes - 1;
    ahead.width = std::max(ahead.width, before + bytesOf(plane, part.width));
    ahead.rows = part.height;
}

// Prefetch the pixels of a run that are not in memory one after the other.
inline void fetchApart(StoredPlane const& plane, Box const& part) {
    if (!plane.exists() || isNear(plane)) return;
    for (auto x = part.x0; x < part.x0 + part.width; ++x) __builtin_prefetch(plane.at(x, part.y0));
}

// Options of the selection and weighting of pixels.
struct Selection {
    MaskPixel andMask = 0;
    bool nanSafe = true;
    bool weighted = false;       // by the weights plane if it exists, else by 1 / variance
    bool wantVariance = false;   // statistics need the variance of each pixel
    bool tallyRejected = false;  // mask propagation thresholds are set
};

// Source of the good pixels of an image with its planes. T is float, double or, for numbers that neither holds, uint64.
template <typename T>
class ImageSource {
public:
    using value_type = T;

    // `rounded` is set to true if a pixel is not exactly a T, which spoils all results; it is null if every pixel is.
    ImageSource(StoredImage const& image, StoredPlane const& weights, Selection const& selection,
                std::atomic<bool>* rounded = nullptr)
            : _image(image),
              _weights(weights),
              _selection(selection),
              _storedBits(storedBits(image.mask, selection.andMask)),
              _tiling(image.width(), image.height()),
              _rounded(rounded) {}

    [[nodiscard]] std::ptrdiff_t numPixels() const noexcept { return _image.width() * _image.height(); }
    [[nodiscard]] std::ptrdiff_t numBlocks() const noexcept { return _tiling.count(); }

    [[nodiscard]] bool weighted() const noexcept { return _selection.weighted; }
    [[nodiscard]] bool withVariance() const noexcept { return _selection.wantVariance; }
    // Return whether the kernels can be used, for which pixels must be finite.
    [[nodiscard]] bool isFinite() const noexcept { return hasKernels<T> && _selection.nanSafe; }
    // Return whether weights are the inverse of variances.
    [[nodiscard]] bool inverse() const noexcept { return _selection.weighted && !_weights.exists(); }
    // Return whether the weights of the blocks in this storage are not computed.
    [[nodiscard]] bool defersWeights(BlockStorage<T> const& storage) const noexcept {
        return storage.defers && _selection.weighted && kernelsWeigh();
    }
    // Return whether the pixels have neither weights nor variances, either.
    [[nodiscard]] bool isPlain() const noexcept {
        return isFinite() && !_selection.weighted && !_selection.wantVariance;
    }
    // Return whether some pixel so far is not exactly a T.
    [[nodiscard]] bool rounded() const noexcept {
        return _rounded != nullptr && _rounded->load(std::memory_order_relaxed);
    }

    // Append the good pixels of a block to the first n in `storage`; return the new number of pixels.
    std::ptrdiff_t append(std::ptrdiff_t block, BlockStorage<T>& storage, std::ptrdiff_t n, MaskTally* tally) const {
        auto const box = _tiling.box(block);
        storage.reserve(n + box.width * box.height, _selection.weighted, needsVariance());
        for (std::ptrdiff_t y = box.y0; y < box.y0 + box.height; ++y) {
            if (!_selection.weighted && !_selection.wantVariance && !_selection.tallyRejected) {
                n = appendRun(box.x0, y, box.width, storage.values.data(), n, tally, storage);
            } else if (kernelsWeigh()) {
                n = appendFullRun(box, y, n, storage, tally);
            } else {
                n = loadFullRow(box, y, n, storage, tally);
            }
        }
        return n;
    }

    // Append the values of the good pixels among `width` pixels of row y from column x on to the first n in `out`;
    // return the new number of pixels. `storage` has the rows that were read so far.
    std::ptrdiff_t appendRun(std::ptrdiff_t x, std::ptrdiff_t y, std::ptrdiff_t width, T* out, std::ptrdiff_t n,
                             MaskTally* tally, BlockStorage<T>& storage) const {
        auto const row = rowOf(x, y, width, storage);
        MaskPixel orMask = 0;
        if constexpr (hasKernels<T>) {
            n += kernelsOf<T>().pack(row, _selection.nanSafe, width, out + n, tally == nullptr ? nullptr : &orMask);
        } else {
            for (std::ptrdiff_t i = 0; i < width; ++i) {
                MaskPixel const mask = row.mask != nullptr ? row.mask[i] : 0;
                bool const good = (mask & row.badBits) == 0;
                out[n] = row.values[i];  // Every pixel is written but only good ones are kept, which avoids a branch.
                n += static_cast<std::ptrdiff_t>(good);
                orMask |= good ? mask : 0;
            }
        }
        if (tally != nullptr) tally->orMask |= storedBits(_image.mask, orMask);
        return n;
    }

    // Pack row y of bins that are separated by `edges`, the first of which is column 0, as Kernels::packBins does. The
    // source must be plain.
    void packBins(std::ptrdiff_t y, std::span<std::int64_t const> edges, T* out, std::ptrdiff_t room,
                  std::int32_t* packed, BlockStorage<T>& storage) const {
        kernelsOf<T>().packBins(rowOf(0, y, _image.width(), storage), edges.data(),
                                static_cast<std::ptrdiff_t>(edges.size()) - 1, out, room, packed);
    }

    [[nodiscard]] std::ptrdiff_t width() const noexcept { return _image.width(); }

    // Return the memory that reading a part of the image will need.
    [[nodiscard]] Ahead ahead(Box const& part) const {
        Ahead result;
        joinAhead(result, _image.image, part);
        joinAhead(result, _image.mask, part);
        if (_selection.weighted || _selection.wantVariance) joinAhead(result, _image.variance, part);
        joinAhead(result, _weights, part);
        return result;
    }
    // Prefetch the pixels of a run that `ahead` leaves out.
    void fetchApart(Box const& run) const {
        detail::fetchApart(_image.image, run);
        detail::fetchApart(_image.mask, run);
    }
    [[nodiscard]] Box blockBox(std::ptrdiff_t block) const noexcept { return _tiling.box(block); }

private:
    [[nodiscard]] bool needsVariance() const noexcept { return inverse() || _selection.wantVariance; }
    // Return whether the kernels can be used for pixels with weights or variances.
    [[nodiscard]] bool kernelsWeigh() const noexcept {
        return isFinite() && !_selection.tallyRejected && (!needsVariance() || _image.variance.exists());
    }
    // Return part of a row with its mask.
    PixelRow<T> rowOf(std::ptrdiff_t x, std::ptrdiff_t y, std::ptrdiff_t width, BlockStorage<T>& storage) const {
        std::uint64_t rounded = 0;
        auto const end = storage.alone ? y + 1 : _image.height();
        PixelRow<T> row;
        row.values = storage.rows[0].row(_image.image, x, y, width, end, rounded);
        if (rounded != 0 && _rounded != nullptr) _rounded->store(true, std::memory_order_relaxed);
        row.badBits = _storedBits;
        auto const ahead = rowsAhead(_image.width());
        if (isDirect<T>(_image.image)) {
            row.valuesAhead = rowDistance(ahead, _image.image.strideY() / static_cast<std::ptrdiff_t>(sizeof(T)));
        }
        if (!_image.mask.exists()) return row;
        row.mask = storage.maskRows[0].row(_image.mask, x, y, width, end, rounded);
        if (isDirect<MaskPixel>(_image.mask)) {
            row.maskAhead = rowDistance(ahead, _image.mask.strideY() / static_cast<std::ptrdiff_t>(sizeof(MaskPixel)));
        }
        return row;
    }

    [[nodiscard]] float const* varianceRow(Box const& box, std::ptrdiff_t y, BlockStorage<T>& storage) const {
        std::uint64_t unused = 0;
        return storage.varianceRows.row(_image.variance, box.x0, y, box.width, _image.height(), unused);
    }
    [[nodiscard]] float const* weightRow(Box const& box, std::ptrdiff_t y, BlockStorage<T>& storage) const {
        std::uint64_t unused = 0;
        return storage.weightRows.row(_weights, box.x0, y, box.width, _image.height(), unused);
    }

    // Append a row with weights or variances by the kernels.
    std::ptrdiff_t appendFullRun(Box const& box, std::ptrdiff_t y, std::ptrdiff_t n, BlockStorage<T>& storage,
                                 MaskTally* tally) const {
        if constexpr (hasKernels<T>) {
            auto const row = rowOf(box.x0, y, box.width, storage);
            bool const defers = defersWeights(storage);
            float* const variances = needsVariance() ? storage.variances.data() + n : nullptr;
            float* const weights = defers ? storage.given.data() + n
                                          : storage.weightRow.room(static_cast<std::size_t>(box.width + slack));
            Companions with;
            with.positive = inverse();
            if (_weights.exists()) {
                with.rows[0] = weightRow(box, y, storage);
                with.packed[0] = weights;
            } else {
                with.rows[0] = varianceRow(box, y, storage);
                with.packed[0] = variances;
            }
            if (_weights.exists() && _selection.wantVariance) {
                with.rows[1] = varianceRow(box, y, storage);
                with.packed[1] = variances;
            }
            MaskPixel orMask = 0;
            auto const packed = kernelsOf<T>().packWith(row, with, box.width, storage.values.data() + n, &orMask);
            if (tally != nullptr) tally->orMask |= storedBits(_image.mask, orMask);
            if (_selection.weighted && !defers) {
                storage.unweighted += kernels().weigh(with.packed[0], packed, inverse(), storage.weights.data() + n);
            }
            return n + packed;
        } else {
            return loadFullRow(box, y, n, storage, tally);
        }
    }

    std::ptrdiff_t loadFullRow(Box const& box, std::ptrdiff_t y, std::ptrdiff_t n, BlockStorage<T>& storage,
                               MaskTally* tally) const {
        auto const row = rowOf(box.x0, y, box.width, storage);
        float const* const variances = _image.variance.exists() ? varianceRow(box, y, storage) : nullptr;
        float const* const weights = _weights.exists() ? weightRow(box, y, storage) : nullptr;
        for (std::ptrdiff_t i = 0; i < box.width; ++i) {
            T const value = row.values[i];
            MaskPixel const mask = row.mask != nullptr ? row.mask[i] : 0;
            float const variance = variances != nullptr ? variances[i] : std::numeric_limits<float>::quiet_NaN();
            bool const kept = (mask & row.badBits) == 0 && (!_selection.nanSafe || isFinitePixel(value));
            double weight = 1.0;
            if (_selection.weighted) {
                if (weights != nullptr) {
                    weight = static_cast<double>(weights[i]);
                } else {
                    // The condition is not "variance <= 0", because a NaN variance gives no weight either.
                    weight = variance > 0.0F ? 1.0 / static_cast<double>(variance) : noWeight;
                }
            }
            auto const at = static_cast<std::size_t>(n);
            storage.values[at] = value;
            if (_selection.weighted) storage.weights[at] = weight;
            if (_selection.wantVariance) storage.variances[at] = variance;
            n += static_cast<std::ptrdiff_t>(kept);
            storage.unweighted += static_cast<std::ptrdiff_t>(kept && weight == noWeight);
            if (tally == nullptr) continue;
            if (kept && weight != noWeight) {
                tally->orMask |= storedBits(_image.mask, mask);
            } else if (_selection.tallyRejected && weight != noWeight) {
                for (auto bits = static_cast<std::uint32_t>(storedBits(_image.mask, mask)); bits != 0;
                     bits &= bits - 1) {
                    tally->rejectedWeight[static_cast<std::size_t>(__builtin_ctz(bits))] += weight;
                }
            }
        }
        return n;
    }

    StoredImage _image;
    StoredPlane _weights;
    Selection _selection;
    MaskPixel _storedBits;  // bits that reject pixels, in the byte order of the mask
    Tiling _tiling;
    std::atomic<bool>* _rounded;
};

// Source that holds all good pixels of another source packed in memory, for images that are small enough for the cache.
template <typename T>
class PackedSource {
public:
    using value_type = T;

    template <typename Source>
    PackedSource(Source const& source, BlockStorage<T>& storage, MaskTally* tally) {
        storage.reserve(source.numPixels(), source.weighted(), source.withVariance());
        storage.unweighted = 0;
        std::ptrdiff_t n = 0;
        for (std::ptrdiff_t b = 0; b < source.numBlocks(); ++b) n = source.append(b, storage, n, tally);
        _all = {storage.values.data(), source.weighted() ? storage.weights.data() : nullptr,
                source.withVariance() ? storage.variances.data() : nullptr, n, storage.unweighted};
    }
    explicit PackedSource(Block<T> const& all) : _all(all) {}
    explicit PackedSource(std::span<T const> values)
            : _all{values.data(), nullptr, nullptr, static_cast<std::ptrdiff_t>(values.size()), 0} {}

    [[nodiscard]] std::ptrdiff_t numBlocks() const noexcept { return (_all.size + blockPixels - 1) / blockPixels; }
    [[nodiscard]] std::span<T const> values() const noexcept {
        return {_all.values, static_cast<std::size_t>(_all.size)};
    }
    [[nodiscard]] Block<T> const& all() const noexcept { return _all; }
    [[nodiscard]] Block<T> block(std::ptrdiff_t b) const noexcept {
        auto const start = b * blockPixels;
        // The number of pixels without a weight is known of all blocks together.
        return {_all.values + start, _all.weights == nullptr ? nullptr : _all.weights + start,
                _all.variances == nullptr ? nullptr : _all.variances + start, std::min(blockPixels, _all.size - start),
                0};
    }

private:
    Block<T> _all;  // all pixels, as one block
};

template <typename T>
Block<T> loadBlock(PackedSource<T> const& source, std::ptrdiff_t block, BlockStorage<T>&, MaskTally*) {
    return source.block(block);
}

}  // namespace evensky::detail
