#pragma once

/// @file
/// Reading of planes as files store them, a piece at a time: conversion, and what is to be known of their pixels.

#include <cstdint>

#include "evensky/export.hpp"
#include "evensky/stored.hpp"
#include "evensky/view.hpp"

namespace evensky {

/// Copy pixels of float32, int16, uint16 or int32 to float, to which they are rounded; the output must not share their
/// memory.
///
/// @param pixels  pixels as they are stored
/// @param out     where they go, of the same size
/// @throws LengthError if sizes differ
/// @throws InvalidParameterError if pixels are of float64 or uint64, or a view has no memory
EVENSKY_EXPORT void copy_pixels(StoredPlane const& pixels, ImageView<float> const& out);

/// Copy a mask to the byte order of the machine; the output must not share its memory.
///
/// @param mask  masks of int32 as they are stored
/// @param out   where they go, of the same size
/// @return the OR of all masks
/// @throws LengthError if sizes differ
/// @throws InvalidParameterError if masks are of another type, or a view has no memory
EVENSKY_EXPORT MaskPixel copy_masks(StoredPlane const& mask, ImageView<MaskPixel> const& out);

/// Replace the pixels of an image by NaN where its mask has a bad bit.
///
/// @param image  pixels, T is float or double
/// @param mask   masks of int32 or uint8 as they are stored, of the same size
/// @param bad    bits that reject a pixel
/// @throws LengthError if sizes differ
/// @throws InvalidParameterError if masks are of another type, or a view has no memory
template <typename T>
EVENSKY_EXPORT void mark_bad(ImageView<T> const& image, StoredPlane const& mask, MaskPixel bad);

/// The positive finite values of a plane.
struct EVENSKY_EXPORT PositiveRange {
    std::int64_t count = 0;  ///< their number
    float least = 0.0F;      ///< the least of them; meaningless if there are none
    float greatest = 0.0F;   ///< the greatest of them; 0 if there are none
};

/// Find the range of the positive finite values of a plane, such as variances.
///
/// @param values  floats as they are stored
/// @throws InvalidParameterError if values are of another type, or the plane has no memory
[[nodiscard]] EVENSKY_EXPORT PositiveRange positive_range(StoredPlane const& values);

}  // namespace evensky
