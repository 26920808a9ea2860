#include "evensky/stored_planes.hpp"

#include <algorithm>
#include <string>

#include "checks.hpp"
#include "evensky/errors.hpp"
#include "kernels/kernels.hpp"
#include "staged_rows.hpp"

namespace evensky {

namespace {

template <typename View>
void checkMemory(View const& view, char const* name) {
    if (view.exists()) return;
    throw InvalidParameterError(std::string(name) + " is a view without memory; it must have pixels");
}

}  // namespace

void copy_pixels(StoredPlane const& pixels, ImageView<float> const& out) {
    checkMemory(pixels, "The plane");
    checkMemory(out, "The output");
    detail::checkPlaneSize(out, "The output", pixels, "the plane");
    auto const swapped = pixels.swapped() ? 1U : 0U;
    auto const read = detail::kernels().readers[static_cast<std::size_t>(pixels.format())][swapped];
    if (read == nullptr) {
        throw InvalidParameterError(std::string("Pixels are of ") + formatName(pixels.format()) +
                                    "; float holds those of float32, int16, int32 and uint16");
    }
    detail::BufferOf<float> row;
    for (std::ptrdiff_t y = 0; y < out.height(); ++y) {
        bool const direct = out.strideX() == 1;
        float* const to = direct ? out.row(y) : row.room(static_cast<std::size_t>(out.width()));
        read(pixels.at(0, y), pixels.strideX(), out.width(), to);
        for (std::ptrdiff_t x = 0; !direct && x < out.width(); ++x) out(x, y) = to[x];
    }
}

MaskPixel copy_masks(StoredPlane const& mask, ImageView<MaskPixel> const& out) {
    checkMemory(mask, "The mask");
    checkMemory(out, "The output");
    detail::checkFormat(mask, PixelFormat::INT32, "The mask");
    detail::checkPlaneSize(out, "The output", mask, "the mask");
    detail::BufferOf<MaskPixel> row, stored;
    MaskPixel seen = 0;
    for (std::ptrdiff_t y = 0; y < out.height(); ++y) {
        auto const* from = mask.at(0, y);
        if (mask.strideX() != pixelBytes(PixelFormat::INT32)) {
            auto* const together = stored.room(static_cast<std::size_t>(out.width()));
            detail::kernels().readMasks(from, mask.strideX(), out.width(), together);
            from = reinterpret_cast<std::byte const*>(together);
        }
        bool const direct = out.strideX() == 1;
        MaskPixel* const to = direct ? out.row(y) : row.room(static_cast<std::size_t>(out.width()));
        seen |= detail::kernels().copyMasks(from, mask.swapped(), out.width(), to);
        for (std::ptrdiff_t x = 0; !direct && x < out.width(); ++x) out(x, y) = to[x];
    }
    return seen;
}

template <typename T>
void mark_bad(ImageView<T> const& image, StoredPlane const& mask, MaskPixel bad) {
    checkMemory(image, "The image");
    checkMemory(mask, "The mask");
    detail::checkMaskFormat(mask, "The mask");
    detail::checkPlaneSize(mask, "The mask", image, "the image");
    detail::StagedRows<MaskPixel> masks;
    detail::BufferOf<T> row;
    detail::PixelRow<T> marks;
    marks.badBits = detail::storedBits(mask, bad);
    std::uint64_t unused = 0;
    for (std::ptrdiff_t y = 0; y < image.height(); ++y) {
        marks.mask = masks.row(mask, 0, y, image.width(), image.height(), unused);
        if (image.strideX() == 1) {
            detail::kernelsOf<T>().mark(marks, image.width(), image.row(y));
            continue;
        }
        T* const values = row.room(static_cast<std::size_t>(image.width()));
        for (std::ptrdiff_t x = 0; x < image.width(); ++x) values[x] = image(x, y);
        detail::kernelsOf<T>().mark(marks, image.width(), values);
        for (std::ptrdiff_t x = 0; x < image.width(); ++x) image(x, y) = values[x];
    }
}

PositiveRange positive_range(StoredPlane const& values) {
    checkMemory(values, "The plane");
    detail::checkFormat(values, PixelFormat::FLOAT32, "The plane");
    detail::StagedRows<float> rows;
    detail::PositiveFloats found;
    std::uint64_t unused = 0;
    for (std::ptrdiff_t y = 0; y < values.height(); ++y) {
        auto const row = detail::kernels().positive(rows.row(values, 0, y, values.width(), values.height(), unused),
                                                    values.width());
        found.count += row.count;
        found.least = std::min(found.least, row.least);
        found.greatest = std::max(found.greatest, row.greatest);
    }
    return {found.count, found.least, found.greatest};
}

template EVENSKY_EXPORT void mark_bad<float>(ImageView<float> const&, StoredPlane const&, MaskPixel);
template EVENSKY_EXPORT void mark_bad<double>(ImageView<double> const&, StoredPlane const&, MaskPixel);

}  // namespace evensky
