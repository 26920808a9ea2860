#pragma once

// Statistics of the columns of a stack of images: rows of its planes are handed to the kernels, tile by tile.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <span>
#include <vector>

#include "checks.hpp"
#include "evensky/view.hpp"
#include "kernels/kernels.hpp"
#include "threads.hpp"

namespace evensky::detail {

// Planes of the result of ColumnsTask; those without memory are not wanted, except the image.
template <typename T>
struct ColumnsOutput {
    ImageView<T> image;
    ImageView<VariancePixel> variance;
    ImageView<MaskPixel> mask;
    ImageView<std::int32_t> number, rejected;
    ImageView<float> weight, time;
    // For each image, or empty: the pixels that are not good, and those that were rejected. Counts are added.
    std::span<std::int64_t> maskedOf, clippedOf;
};

inline void computeColumnsOf(ColumnsTask<float> const& task, std::ptrdiff_t width) {
    kernels().columnsOfFloats(task, 0, width);
}
inline void computeColumnsOf(ColumnsTask<double> const& task, std::ptrdiff_t width) {
    kernels().columnsOfDoubles(task, 0, width);
}

// Rows of one plane of all images, or of the result. Rows whose pixels do not follow each other are copied.
template <typename Pixel>
class RowsOfPlane {
public:
    void prepare(std::size_t n, std::ptrdiff_t width) {
        _rows.assign(n, nullptr);
        _width = width;
    }
    // Point to the pixels (x0, y), (x0 + 1, y), ... of image i, or to copies of them.
    void read(std::size_t i, ImageView<Pixel const> const& view, std::ptrdiff_t x0, std::ptrdiff_t y,
              std::ptrdiff_t count) {
        if (view.strideX() == 1) {
            _rows[i] = &view(x0, y);
            return;
        }
        auto* const copy = room(i);
        for (std::ptrdiff_t k = 0; k < count; ++k) copy[k] = view(x0 + k, y);
        _rows[i] = copy;
    }
    [[nodiscard]] Pixel const* const* rows() const { return _rows.data(); }
    // Return memory for a row of the output, and copy it there afterwards.
    Pixel* rowOf(ImageView<Pixel> const& view, std::ptrdiff_t x0, std::ptrdiff_t y) {
        if (!view.exists()) return nullptr;
        return view.strideX() == 1 ? &view(x0, y) : room(0);
    }
    void copyTo(ImageView<Pixel> const& view, std::ptrdiff_t x0, std::ptrdiff_t y, std::ptrdiff_t count) const {
        if (!view.exists() || view.strideX() == 1) return;
        for (std::ptrdiff_t k = 0; k < count; ++k) view(x0 + k, y) = _copies[static_cast<std::size_t>(k)];
    }

private:
    Pixel* room(std::size_t i) {
        auto const width = static_cast<std::size_t>(_width);
        if (_copies.empty()) _copies.resize(std::max<std::size_t>(_rows.size(), 1) * width);
        return _copies.data() + i * width;
    }
    std::vector<Pixel const*> _rows;
    std::vector<Pixel> _copies;
    std::ptrdiff_t _width = 0;
};

// What one thread needs. It adds its counts to the totals when it ends.
template <typename T>
struct ColumnsWorkspace {
    RowsOfPlane<T> values, image;
    RowsOfPlane<MaskPixel> masks, mask;
    RowsOfPlane<VariancePixel> variances, variance;
    RowsOfPlane<std::int32_t> number, rejected;
    RowsOfPlane<float> weight, time;
    // Vectors of columns do not cross lines of the cache.
    struct alignas(64) Line {
        double of[8];
    };
    std::vector<Line> scratch, blocks;
    std::vector<std::int32_t> good, used;  // ColumnsTask::maxLanes numbers for each image
    std::int64_t pixels = 0;               // of each image
    bool clips = false;
    std::mutex* guard = nullptr;
    std::span<std::int64_t> maskedOf, clippedOf;

    ColumnsWorkspace() = default;
    ColumnsWorkspace(ColumnsWorkspace const&) = delete;
    ColumnsWorkspace& operator=(ColumnsWorkspace const&) = delete;
    ~ColumnsWorkspace() {
        if (guard == nullptr) return;
        std::scoped_lock const lock(*guard);
        for (std::size_t i = 0; i < maskedOf.size(); ++i) maskedOf[i] += pixels - sum(good, i);
        if (!clips) return;
        for (std::size_t i = 0; i < clippedOf.size(); ++i) clippedOf[i] += sum(good, i) - sum(used, i);
    }

private:
    static std::int64_t sum(std::vector<std::int32_t> const& counts, std::size_t i) {
        constexpr auto lanes = static_cast<std::size_t>(ColumnsTask<T>::maxLanes);
        std::int64_t result = 0;
        for (std::size_t k = 0; k < lanes; ++k) result += counts[i * lanes + k];
        return result;
    }
};

// Compute the statistics of all columns of a stack. The task describes them; rows, results and working memory are
// filled in here.
template <typename T>
void computeColumns(ColumnsTask<T> const& task, std::span<MaskedImageView<T const> const> images, bool withVariances,
                    ColumnsOutput<T> const& out, int num_threads) {
    // Tiles are parts of rows. The kernels begin each of them without pixels that were fetched ahead.
    constexpr std::ptrdiff_t tileColumns = 1024;
    auto const n = images.size();
    auto const tiles = ceilDivide(out.image.width(), tileColumns);
    bool masked = false;
    for (auto const& image : images) masked = masked || image.mask.exists();
    std::mutex guard;
    using Workspace = ColumnsWorkspace<T>;
    parallelForWith<Workspace>(out.image.height() * tiles, num_threads, [&](std::ptrdiff_t tile, Workspace& mine) {
        auto const y = tile / tiles, x0 = tile % tiles * tileColumns;
        auto const width = std::min(tileColumns, out.image.width() - x0);
        constexpr auto lanes = static_cast<std::size_t>(ColumnsTask<T>::maxLanes);
        if (mine.guard == nullptr) {
            mine.values.prepare(n, tileColumns);
            mine.masks.prepare(n, tileColumns);
            mine.variances.prepare(n, tileColumns);
            mine.image.prepare(1, tileColumns);
            mine.mask.prepare(1, tileColumns);
            mine.variance.prepare(1, tileColumns);
            mine.number.prepare(1, tileColumns);
            mine.rejected.prepare(1, tileColumns);
            mine.weight.prepare(1, tileColumns);
            mine.time.prepare(1, tileColumns);
            mine.scratch.resize(ColumnsTask<T>::scratchFor(n) / sizeof(typename Workspace::Line));
            mine.blocks.resize(ColumnsTask<T>::blocksFor(n) / sizeof(typename Workspace::Line) + 1);
            mine.maskedOf = out.maskedOf;
            mine.clippedOf = out.clippedOf;
            mine.good.assign(n * lanes, 0);
            mine.used.assign(n * lanes, 0);
            mine.clips = task.clipping != Clipping::NONE;
            mine.guard = &guard;
        }
        for (std::size_t i = 0; i < n; ++i) {
            mine.values.read(i, images[i].image, x0, y, width);
            if (images[i].mask.exists()) mine.masks.read(i, images[i].mask, x0, y, width);
            if (withVariances) mine.variances.read(i, images[i].variance, x0, y, width);
        }
        auto part = task;
        part.values = mine.values.rows();
        if (masked) part.masks = mine.masks.rows();
        if (withVariances) part.variances = mine.variances.rows();
        part.image = mine.image.rowOf(out.image, x0, y);
        part.mask = mine.mask.rowOf(out.mask, x0, y);
        part.variance = mine.variance.rowOf(out.variance, x0, y);
        part.number = mine.number.rowOf(out.number, x0, y);
        part.rejected = mine.rejected.rowOf(out.rejected, x0, y);
        part.weight = mine.weight.rowOf(out.weight, x0, y);
        part.time = mine.time.rowOf(out.time, x0, y);
        part.good = mine.good.data();
        part.used = mine.used.data();
        part.scratch = mine.scratch.data();
        part.blocks = mine.blocks.data();
        mine.pixels += width;
        computeColumnsOf(part, width);
        mine.image.copyTo(out.image, x0, y, width);
        mine.mask.copyTo(out.mask, x0, y, width);
        mine.variance.copyTo(out.variance, x0, y, width);
        mine.number.copyTo(out.number, x0, y, width);
        mine.rejected.copyTo(out.rejected, x0, y, width);
        mine.weight.copyTo(out.weight, x0, y, width);
        mine.time.copyTo(out.time, x0, y, width);
    });
}

}  // namespace evensky::detail
