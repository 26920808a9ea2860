#pragma once

// Sources of pixels for statistics.
//
// A source provides blocks: the good pixels of a fixed part of the image, packed together, with their weights and
// variances if the statistics need them. Statistics are computed from blocks alone, so the same code serves an image,
// the difference of two images, and a packed copy in memory. The division into blocks depends only on the size of the
// image, so that sums do not depend on the number of threads.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <type_traits>
#include <vector>

#include "evensky/statistics.hpp"
#include "evensky/view.hpp"
#include "kernels/kernels.hpp"

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

// Weight of a pixel that cannot be weighted because its variance is not > 0. Only order statistics, which are never
// weighted, use such a pixel.
inline constexpr double noWeight = -std::numeric_limits<double>::infinity();

template <typename T>
struct Block {
    T const* values = nullptr;
    double const* weights = nullptr;   // null if unweighted; may hold noWeight
    float const* variances = nullptr;  // null if no statistics need them
    std::ptrdiff_t size = 0;
};

template <typename T>
struct BlockStorage {
    std::vector<T> values;
    std::vector<double> weights;
    std::vector<float> variances;

    // Provide memory for `size` pixels, and for the values that kernels may write after them.
    void reserve(std::ptrdiff_t size, bool weighted, bool withVariance) {
        auto const room = static_cast<std::size_t>(size + slack);
        if (values.size() < room) values.resize(room);
        if (weighted && weights.size() < room) weights.resize(room);
        if (withVariance && variances.size() < room) variances.resize(room);
    }
};

// Uninitialised memory: unused parts cost nothing.
class Buffer {
public:
    // Provide memory for n values, whose contents are undefined.
    float* room(std::size_t n) {
        if (n > _size) {
            _values = std::make_unique_for_overwrite<float[]>(n);
            _size = n;
        }
        return _values.get();
    }
    [[nodiscard]] float* data() const noexcept { return _values.get(); }

private:
    std::unique_ptr<float[]> _values;
    std::size_t _size = 0;
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
    auto const n = source.append(block, storage, 0, tally);
    return {storage.values.data(), source.weighted() ? storage.weights.data() : nullptr,
            source.withVariance() ? storage.variances.data() : nullptr, n};
}

// Prefetch a small part of a source, if the source can tell what memory it needs.
template <typename Source>
void fetchAll(Source const& source, Box const& part) {
    if constexpr (requires { source.ahead(part); }) {
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

// Number of rows by which prefetching is ahead of reading. Within a bin, rows are far apart in memory and compete for
// the same sets of the caches, which hold only a few of them.
inline std::ptrdiff_t rowsAhead(std::ptrdiff_t width) noexcept {
    constexpr std::ptrdiff_t pixelsAhead = 1024;
    return width >= blockPixels ? 0 : std::max<std::ptrdiff_t>(1, pixelsAhead / std::max<std::ptrdiff_t>(width, 1));
}

// Add a part of a plane to the memory that will be read next.
template <typename Plane>
void joinAhead(Ahead& ahead, Plane const& plane, Box const& part) {
    if (!plane.exists() || plane.strideX() != 1 || part.isEmpty()) return;
    std::size_t k = 0;
    while (k < Ahead::maxPlanes && ahead.at[k] != 0) ++k;
    if (k == Ahead::maxPlanes) return;
    // Count whole cache lines: a row may begin and end within a line.
    auto const* const first = &plane(part.x0, part.y0);
    auto const into = static_cast<std::ptrdiff_t>(reinterpret_cast<std::uintptr_t>(first) % Ahead::lineBytes);
    ahead.at[k] = reinterpret_cast<std::uintptr_t>(first) - static_cast<std::uintptr_t>(into);
    ahead.step[k] = plane.strideY() * static_cast<std::ptrdiff_t>(sizeof *first);
    // Other rows may begin at another place in a line.
    auto const before = ahead.step[k] % Ahead::lineBytes == 0 ? into : Ahead::lineBytes - 1;
    ahead.width = std::max(ahead.width, before + part.width * static_cast<std::ptrdiff_t>(sizeof *first));
    ahead.rows = part.height;
}

// Options of the selection and weighting of pixels.
struct Selection {
    MaskPixel andMask = 0;
    bool nanSafe = true;
    bool weighted = false;       // by the weights plane if it exists, else by 1 / variance
    bool wantVariance = false;   // statistics need the variance of each pixel
    bool tallyRejected = false;  // mask propagation thresholds are set
};

// Source of the good pixels of an image with its planes.
template <typename T>
class ImageSource {
public:
    using value_type = T;

    ImageSource(MaskedImageView<T const> const& image, ImageView<WeightPixel const> const& weights,
                Selection const& selection)
            : _image(image), _weights(weights), _selection(selection), _tiling(image.width(), image.height()) {}

    [[nodiscard]] std::ptrdiff_t numPixels() const noexcept { return _image.width() * _image.height(); }
    [[nodiscard]] std::ptrdiff_t numBlocks() const noexcept { return _tiling.count(); }

    [[nodiscard]] bool weighted() const noexcept { return _selection.weighted; }
    [[nodiscard]] bool withVariance() const noexcept { return _selection.wantVariance; }
    // Return whether the kernels can be used: for finite float pixels without weights and variances.
    [[nodiscard]] bool isPlain() const noexcept {
        return std::is_same_v<T, float> && _selection.nanSafe && !_selection.weighted && !_selection.wantVariance;
    }

    // Append the good pixels of a block to the first n in `storage`; return the new number of pixels.
    std::ptrdiff_t append(std::ptrdiff_t block, BlockStorage<T>& storage, std::ptrdiff_t n, MaskTally* tally) const {
        auto const box = _tiling.box(block);
        storage.reserve(n + box.width * box.height, _selection.weighted, _selection.wantVariance);
        for (std::ptrdiff_t y = box.y0; y < box.y0 + box.height; ++y) {
            if (_selection.weighted || _selection.wantVariance || _selection.tallyRejected) {
                n = loadFullRow(box, y, n, storage, tally);
            } else {
                n = appendRun(box.x0, y, box.width, storage.values.data(), n, tally);
            }
        }
        return n;
    }

    // Append the values of the good pixels among `width` pixels of row y from column x on to the first n in `out`;
    // return the new number of pixels.
    std::ptrdiff_t appendRun(std::ptrdiff_t x, std::ptrdiff_t y, std::ptrdiff_t width, T* out, std::ptrdiff_t n,
                             MaskTally* tally) const {
        if constexpr (std::is_same_v<T, float>) {
            if (_image.image.strideX() == 1 && (!_image.mask.exists() || _image.mask.strideX() == 1)) {
                auto const ahead = rowsAhead(_image.width());
                PixelRow const row{&_image.image(x, y), _image.mask.exists() ? &_image.mask(x, y) : nullptr,
                                   _selection.andMask, ahead * _image.image.strideY(), ahead * _image.mask.strideY()};
                return n + kernels().pack(row, _selection.nanSafe, width, out + n,
                                          tally == nullptr ? nullptr : &tally->orMask);
            }
        }
        MaskPixel orMask = 0;
        for (auto const end = x + width; x < end; ++x) {
            T const value = _image.image(x, y);
            MaskPixel const mask = _image.mask.exists() ? _image.mask(x, y) : 0;
            bool const good = (mask & _selection.andMask) == 0 && (!_selection.nanSafe || isFinitePixel(value));
            out[n] = value;  // Every pixel is written but only good ones are kept, which avoids a branch.
            n += static_cast<std::ptrdiff_t>(good);
            orMask |= good ? mask : 0;
        }
        if (tally != nullptr) tally->orMask |= orMask;
        return n;
    }

    [[nodiscard]] std::ptrdiff_t width() const noexcept { return _image.width(); }

    // Return the memory that reading a part of the image will need.
    [[nodiscard]] Ahead ahead(Box const& part) const {
        Ahead result;
        joinAhead(result, _image.image, part);
        joinAhead(result, _image.mask, part);
        return result;
    }
    [[nodiscard]] Box blockBox(std::ptrdiff_t block) const noexcept { return _tiling.box(block); }

private:
    std::ptrdiff_t loadFullRow(Box const& box, std::ptrdiff_t y, std::ptrdiff_t n, BlockStorage<T>& storage,
                               MaskTally* tally) const {
        for (std::ptrdiff_t x = box.x0; x < box.x0 + box.width; ++x) {
            T const value = _image.image(x, y);
            MaskPixel const mask = _image.mask.exists() ? _image.mask(x, y) : 0;
            float const variance =
                    _image.variance.exists() ? _image.variance(x, y) : std::numeric_limits<float>::quiet_NaN();
            bool const kept = (mask & _selection.andMask) == 0 && (!_selection.nanSafe || isFinitePixel(value));
            double weight = 1.0;
            if (_selection.weighted) {
                if (_weights.exists()) {
                    weight = static_cast<double>(_weights(x, y));
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
            if (tally == nullptr) continue;
            if (kept && weight != noWeight) {
                tally->orMask |= mask;
            } else if (_selection.tallyRejected && weight != noWeight) {
                for (auto bits = static_cast<std::uint32_t>(mask); bits != 0; bits &= bits - 1) {
                    tally->rejectedWeight[static_cast<std::size_t>(__builtin_ctz(bits))] += weight;
                }
            }
        }
        return n;
    }

    MaskedImageView<T const> _image;
    ImageView<WeightPixel const> _weights;
    Selection _selection;
    Tiling _tiling;
};

// Source that holds all good pixels of another source packed in memory, for images that are small enough for the cache.
template <typename T>
class PackedSource {
public:
    using value_type = T;

    template <typename Source>
    PackedSource(Source const& source, BlockStorage<T>& storage, MaskTally* tally) {
        storage.reserve(source.numPixels(), source.weighted(), source.withVariance());
        std::ptrdiff_t n = 0;
        for (std::ptrdiff_t b = 0; b < source.numBlocks(); ++b) n = source.append(b, storage, n, tally);
        _all = {storage.values.data(), source.weighted() ? storage.weights.data() : nullptr,
                source.withVariance() ? storage.variances.data() : nullptr, n};
    }
    explicit PackedSource(std::span<T const> values)
            : _all{values.data(), nullptr, nullptr, static_cast<std::ptrdiff_t>(values.size())} {}

    [[nodiscard]] std::ptrdiff_t numBlocks() const noexcept { return (_all.size + blockPixels - 1) / blockPixels; }
    [[nodiscard]] std::span<T const> values() const noexcept {
        return {_all.values, static_cast<std::size_t>(_all.size)};
    }
    [[nodiscard]] Block<T> block(std::ptrdiff_t b) const noexcept {
        auto const start = b * blockPixels;
        return {_all.values + start, _all.weights == nullptr ? nullptr : _all.weights + start,
                _all.variances == nullptr ? nullptr : _all.variances + start, std::min(blockPixels, _all.size - start)};
    }

private:
    Block<T> _all;  // all pixels, as one block
};

template <typename T>
Block<T> loadBlock(PackedSource<T> const& source, std::ptrdiff_t block, BlockStorage<T>&, MaskTally*) {
    return source.block(block);
}

}  // namespace evensky::detail
