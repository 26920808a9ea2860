#pragma once

// Pairs of exposures, and sources of pixels that are computed from both on the fly: differences and sums of variances.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <type_traits>

#include "compute_statistics.hpp"
#include "evensky/box.hpp"
#include "evensky/stored.hpp"

namespace evensky::detail {

// Rows of two planes of type T with their masks.
template <typename T>
struct PairRows {
    PixelRow<T> reference, science;
};

// Pair of exposures whose images are of type T, or are converted to it exactly.
template <typename T>
struct Pair {
    StoredImage reference;
    StoredImage science;
    MaskPixel referenceBadMask;
    MaskPixel scienceBadMask;

    Pair(StoredImage const& reference_, StoredImage const& science_, MaskPixel referenceBadMask_,
         MaskPixel scienceBadMask_)
            : reference(reference_),
              science(science_),
              referenceBadMask(referenceBadMask_),
              scienceBadMask(scienceBadMask_) {}

    // Return the rows y of a plane of each exposure from column x on, and their masks. They stay valid until the next
    // call with this storage. The rows to be read next are `rowsAhead` rows further on; 0 if they follow in memory.
    template <typename PixelType>
    PairRows<PixelType> rows(StoredPlane const& ofReference, StoredPlane const& ofScience, std::ptrdiff_t x,
                             std::ptrdiff_t y, std::ptrdiff_t width, std::ptrdiff_t rowsAhead,
                             BlockStorage<PixelType>& storage) const {
        return {row(ofReference, reference.mask, referenceBadMask, x, y, width, rowsAhead, storage, 0),
                row(ofScience, science.mask, scienceBadMask, x, y, width, rowsAhead, storage, 1)};
    }

    // Write the differences of row y from column x on, or NaN where a mask is bad.
    void differences(std::ptrdiff_t x, std::ptrdiff_t y, std::ptrdiff_t width, T* out, BlockStorage<T>& storage) const {
        auto const both = rows<T>(reference.image, science.image, x, y, width, 0, storage);
        kernelsOf<T>().differences(both.reference, both.science, width, out);
    }

private:
    template <typename PixelType>
    static PixelRow<PixelType> row(StoredPlane const& plane, StoredPlane const& mask, MaskPixel badMask,
                                   std::ptrdiff_t x, std::ptrdiff_t y, std::ptrdiff_t width, std::ptrdiff_t rowsAhead,
                                   BlockStorage<PixelType>& storage, std::size_t which) {
        std::uint64_t unused = 0;
        auto const end = storage.alone ? y + 1 : plane.height();
        PixelRow<PixelType> result;
        result.values = storage.rows[which].row(plane, x, y, width, end, unused);
        if (isDirect<PixelType>(plane)) {
            result.valuesAhead =
                    rowDistance(rowsAhead, plane.strideY() / static_cast<std::ptrdiff_t>(sizeof(PixelType)));
        }
        if (!mask.exists()) return result;
        result.mask = storage.maskRows[which].row(mask, x, y, width, end, unused);
        result.badBits = storedBits(mask, badMask);
        if (isDirect<MaskPixel>(mask)) {
            result.maskAhead = rowDistance(rowsAhead, mask.strideY() / static_cast<std::ptrdiff_t>(sizeof(MaskPixel)));
        }
        return result;
    }
};

// Policies of PairSource, for the difference of the images and the sum of the variances: the planes to use, and the
// operation on two pixels.
struct DifferencePixels {
    static constexpr bool difference = true;
    static StoredPlane const& plane(StoredImage const& image) noexcept { return image.image; }
};
struct VariancePixels {
    static constexpr bool difference = false;
    static StoredPlane const& plane(StoredImage const& image) noexcept { return image.variance; }
};

// Source of the good pixels in a box of a pair, which are computed on the fly.
template <typename T, typename PixelType, typename Pixels>
class PairSource {
public:
    using value_type = PixelType;

    PairSource(Pair<T> const& pair, Box const& box) : _pair(pair), _box(box), _tiling(box.width, box.height) {}

    [[nodiscard]] std::ptrdiff_t numPixels() const noexcept { return _box.width * _box.height; }
    [[nodiscard]] std::ptrdiff_t numBlocks() const noexcept { return _tiling.count(); }
    [[nodiscard]] std::ptrdiff_t width() const noexcept { return _box.width; }
    [[nodiscard]] static bool weighted() noexcept { return false; }
    [[nodiscard]] static bool withVariance() noexcept { return false; }
    [[nodiscard]] static bool isFinite() noexcept { return true; }
    [[nodiscard]] static bool isPlain() noexcept { return true; }
    [[nodiscard]] static bool rounded() noexcept { return false; }

    std::ptrdiff_t append(std::ptrdiff_t block, BlockStorage<PixelType>& storage, std::ptrdiff_t n, MaskTally*) const {
        auto const part = _tiling.box(block);
        storage.reserve(n + part.width * part.height, false, false);
        for (auto y = part.y0; y < part.y0 + part.height; ++y) {
            n = appendRun(part.x0, y, part.width, storage.values.data(), n, nullptr, storage);
        }
        return n;
    }

    // Return the memory that reading a part of the box will need.
    [[nodiscard]] Ahead ahead(Box const& part) const {
        auto const where = inPair(part);
        Ahead result;
        for (auto const* image : {&_pair.reference, &_pair.science}) {
            joinAhead(result, Pixels::plane(*image), where);
            joinAhead(result, image->mask, where);
        }
        return result;
    }
    // Prefetch the pixels of a run that `ahead` leaves out.
    void fetchApart(Box const& run) const {
        for (auto const* image : {&_pair.reference, &_pair.science}) {
            detail::fetchApart(Pixels::plane(*image), inPair(run));
            detail::fetchApart(image->mask, inPair(run));
        }
    }
    [[nodiscard]] Box blockBox(std::ptrdiff_t block) const noexcept { return _tiling.box(block); }

    std::ptrdiff_t appendRun(std::ptrdiff_t x, std::ptrdiff_t y, std::ptrdiff_t width, PixelType* out, std::ptrdiff_t n,
                             MaskTally*, BlockStorage<PixelType>& storage) const {
        auto const rows =
                _pair.template rows<PixelType>(Pixels::plane(_pair.reference), Pixels::plane(_pair.science),
                                               _box.x0 + x, _box.y0 + y, width, rowsAhead(_box.width), storage);
        auto const& kernel = kernelsOf<PixelType>();
        return n + (Pixels::difference ? kernel.packDifference : kernel.packSum)(rows.reference, rows.science, width,
                                                                                 out + n);
    }

protected:
    [[nodiscard]] Pair<T> const& pair() const noexcept { return _pair; }
    [[nodiscard]] Box const& box() const noexcept { return _box; }

private:
    [[nodiscard]] Box inPair(Box const& part) const noexcept {
        return {_box.x0 + part.x0, _box.y0 + part.y0, part.width, part.height};
    }

    Pair<T> _pair;
    Box _box;
    Tiling _tiling;
};

// Sums over the packed pixels of a bin: their number, and their columns and rows, counted from the corner of the bin.
struct Places {
    std::int64_t count = 0, columns = 0, rows = 0;
};

// Source of differences that sums up the places of pixels while bins are packed.
template <typename T>
class PlacedPairSource : public PairSource<T, T, DifferencePixels> {
public:
    // The first bin in the box is at `places`; the others of its row follow.
    PlacedPairSource(Pair<T> const& pair, Box const& box, Places* places)
            : PairSource<T, T, DifferencePixels>(pair, box), _places(places) {}

    // Pack row y of bins that are separated by `edges`, the first of which is column 0, as Kernels::packBins does.
    void packBins(std::ptrdiff_t y, std::span<std::int64_t const> edges, T* out, std::ptrdiff_t room,
                  std::int32_t* packed, BlockStorage<T>& storage) const {
        auto const& pair = this->pair();
        auto const& box = this->box();
        auto const both = pair.template rows<T>(pair.reference.image, pair.science.image, box.x0, box.y0 + y, box.width,
                                                rowsAhead(box.width), storage);
        for (std::size_t k = 0; k + 1 < edges.size(); ++k) {
            auto const start = edges[k] - edges[0];
            auto const n = kernelsOf<T>().packDifferenceAt(
                    from(both.reference, start), from(both.science, start), edges[k + 1] - edges[k],
                    out + static_cast<std::ptrdiff_t>(k) * room + packed[k], &_places[k].columns);
            packed[k] += static_cast<std::int32_t>(n);
            _places[k].count += n;
            _places[k].rows += n * y;
        }
    }

private:
    static PixelRow<T> from(PixelRow<T> row, std::ptrdiff_t start) noexcept {
        row.values += start;
        if (row.mask != nullptr) row.mask += start;
        return row;
    }

    Places* _places;
};

// Call work(T{}) with the type in which the images of a pair are computed. Images of small whole numbers are read as
// floats.
template <typename Work>
auto inPairType(StoredImage const& reference, StoredImage const& science, Work const& work) {
    auto const kind = [](StoredImage const& image) {
        switch (image.image.format()) {
            case PixelFormat::FLOAT64: return 2;
            case PixelFormat::INT32:
            case PixelFormat::UINT64: return 0;
            default: return 1;
        }
    };
    auto const one = kind(reference), other = kind(science);
    if (one == 0 || one != other) {
        throw InvalidParameterError(std::string("The reference image is of ") + formatName(reference.image.format()) +
                                    " and the science image of " + formatName(science.image.format()) +
                                    "; both must be of float64, or both of float32, int16 or uint16");
    }
    if (one == 2) return work(double{});
    return work(float{});
}

// Throw InvalidParameterError if the mask or the variance of an exposure has another format than it must have.
inline void checkFormats(StoredImage const& image, std::string const& name) {
    checkMaskFormat(image.mask, "The mask of " + name);
    checkFormat(image.variance, PixelFormat::FLOAT32, "The variance of " + name);
}

}  // namespace evensky::detail
