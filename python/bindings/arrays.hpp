#pragma once

// Conversion between numpy arrays and views. All dispatch by dtype and all checks of strides are here.

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "evensky/box.hpp"
#include "evensky/errors.hpp"
#include "evensky/stored.hpp"
#include "evensky/view.hpp"

namespace evensky::python {

namespace py = pybind11;

inline std::string shapeToString(py::array const& array) {
    std::string text = "(";
    for (py::ssize_t i = 0; i < array.ndim(); ++i) {
        text += (i == 0 ? "" : ", ") + std::to_string(array.shape(i));
    }
    return text + (array.ndim() == 1 ? ",)" : ")");
}

template <typename T>
ImageView<T> viewOf(py::array const& array, T* data) {
    constexpr auto itemsize = static_cast<py::ssize_t>(sizeof(T));
    return {data, array.shape(1), array.shape(0), array.strides(1) / itemsize, array.strides(0) / itemsize};
}

inline void checkPlane(py::array const& array, py::dtype const& expected, char const* name) {
    if (array.ndim() != 2) {
        throw InvalidParameterError(std::string(name) + " has shape " + shapeToString(array) +
                                    "; it must have two dimensions");
    }
    if (!array.dtype().is(expected) && !array.dtype().equal(expected)) {
        throw InvalidParameterError(std::string(name) + " has dtype " + py::cast<std::string>(py::str(array.dtype())) +
                                    "; it must be " + py::cast<std::string>(py::str(expected)));
    }
}

inline bool stridesFit(py::array const& array) {
    auto const itemsize = array.itemsize();
    return (array.flags() & py::detail::npy_api::NPY_ARRAY_ALIGNED_) != 0 && array.strides(0) % itemsize == 0 &&
           array.strides(1) % itemsize == 0;
}

// Input plane. Pixels are viewed in place, with any strides; only unaligned arrays and those whose strides are not
// multiples of the pixel size, such as fields of packed records, are copied.
template <typename T>
class InputPlane {
public:
    InputPlane() = default;
    InputPlane(std::optional<py::array> const& array, char const* name) {
        if (!array) return;
        checkPlane(*array, py::dtype::of<T>(), name);
        _array = stridesFit(*array) ? *array : py::array_t<T, py::array::c_style | py::array::forcecast>(*array);
        _view = viewOf<T const>(*_array, static_cast<T const*>(_array->data()));
    }
    [[nodiscard]] ImageView<T const> const& view() const noexcept { return _view; }

private:
    std::optional<py::array> _array;  // keeps the memory alive
    ImageView<T const> _view;
};

// Return whether the byte order of a type is not the machine's.
inline bool isSwapped(py::dtype const& dtype) {
    constexpr char other = std::endian::native == std::endian::little ? '>' : '<';
    return dtype.byteorder() == other;
}

// Return the format of a type of any byte order; nullopt if the core has none.
inline std::optional<PixelFormat> formatOf(py::dtype const& dtype) {
    auto const size = dtype.itemsize();
    switch (dtype.kind()) {
        case 'f':
            if (size == 4) return PixelFormat::FLOAT32;
            if (size == 8) return PixelFormat::FLOAT64;
            break;
        case 'i':
            if (size == 2) return PixelFormat::INT16;
            if (size == 4) return PixelFormat::INT32;
            break;
        case 'b': return PixelFormat::UINT8;
        case 'u':
            if (size == 1) return PixelFormat::UINT8;
            if (size == 2) return PixelFormat::UINT16;
            if (size == 8) return PixelFormat::UINT64;
            break;
        default: break;
    }
    return std::nullopt;
}

// Input plane of any byte order, with any strides; pixels need not be aligned. Nothing is copied.
class StoredInput {
public:
    // Plane of one type, or of one of two.
    StoredInput(std::optional<py::array> const& array, PixelFormat expected, char const* type, char const* name,
                std::optional<PixelFormat> other = std::nullopt) {
        if (!array) return;
        checkDimensions(*array, name);
        auto const format = formatOf(array->dtype());
        if (!format || (*format != expected && format != other)) {
            throw InvalidParameterError(std::string(name) + " has dtype " +
                                        py::cast<std::string>(py::str(array->dtype())) + "; it must be " + type);
        }
        view(*array, *format);
    }
    // Mask; True is bit 0.
    static StoredInput mask(std::optional<py::array> const& array, char const* name) {
        return {array, PixelFormat::INT32, "int32, uint8 or bool", name, PixelFormat::UINT8};
    }
    // Image of any type. `bzero` is 32768 for unsigned pixels that FITS stores as signed ones, else 0.
    StoredInput(py::array const& array, char const* name, int bzero = 0) {
        checkDimensions(array, name);
        auto format = formatOf(array.dtype());
        if (!format || *format == PixelFormat::UINT8) {
            throw InvalidParameterError("Pixels have dtype " + py::cast<std::string>(py::str(array.dtype())) +
                                        "; it must be float32, float64, int16, int32, uint16 or uint64");
        }
        if (bzero != 0) {
            if (bzero != 32768 || *format != PixelFormat::INT16) {
                throw InvalidParameterError("bzero = " + std::to_string(bzero) + " with pixels of dtype " +
                                            py::cast<std::string>(py::str(array.dtype())) +
                                            "; it must be 0, or 32768 with int16");
            }
            format = PixelFormat::UINT16_SHIFTED;
        }
        view(array, *format);
    }
    [[nodiscard]] StoredPlane const& plane() const noexcept { return _plane; }

private:
    static void checkDimensions(py::array const& array, char const* name) {
        if (array.ndim() == 2) return;
        throw InvalidParameterError(std::string(name) + " has shape " + shapeToString(array) +
                                    "; it must have two dimensions");
    }
    void view(py::array const& array, PixelFormat format) {
        _array = array;
        _plane = {array.data(),     array.shape(1), array.shape(0),          array.strides(1),
                  array.strides(0), format,         isSwapped(array.dtype())};
    }

    std::optional<py::array> _array;  // keeps the memory alive
    StoredPlane _plane;
};

// Planes of an image: pixels, and mask and variance if there are any.
class StoredPlanes {
public:
    StoredPlanes(py::array const& image, std::optional<py::array> const& mask, std::optional<py::array> const& variance,
                 std::string const& name, int bzero = 0)
            : _image(image, ("The " + name + "image").c_str(), bzero),
              _mask(StoredInput::mask(mask, ("The " + name + "mask").c_str())),
              _variance(variance, PixelFormat::FLOAT32, "float32", ("The " + name + "variance").c_str()) {}
    [[nodiscard]] StoredImage image() const noexcept { return {_image.plane(), _mask.plane(), _variance.plane()}; }

private:
    StoredInput _image, _mask, _variance;
};

// Return a view of an output plane.
template <typename T>
ImageView<T> outputPlane(py::array& array, char const* name) {
    checkPlane(array, py::dtype::of<T>(), name);
    if (!stridesFit(array) || !array.writeable()) {
        throw InvalidParameterError(std::string(name) + " must be writeable and aligned, with strides of whole pixels");
    }
    return viewOf<T>(array, static_cast<T*>(array.mutable_data()));
}

// Call work(T{}) with T the pixel type of `array`.
template <typename Work>
auto dispatchFloating(py::array const& array, Work const& work) {
    if (array.dtype().equal(py::dtype::of<float>())) return work(float{});
    if (array.dtype().equal(py::dtype::of<double>())) return work(double{});
    throw InvalidParameterError("Pixels have dtype " + py::cast<std::string>(py::str(array.dtype())) +
                                "; it must be float32 or float64 in native byte order");
}

using Numbers = py::array_t<double, py::array::c_style | py::array::forcecast>;

// Return the numbers of an array of one dimension.
inline std::span<double const> numbersOf(Numbers const& array, char const* name) {
    if (array.ndim() != 1) {
        throw OutOfRangeError(std::string(name) + " has shape " + shapeToString(array) +
                              "; it must have one dimension");
    }
    return {array.data(), static_cast<std::size_t>(array.size())};
}

template <typename T>
py::array_t<T> toArray(std::vector<T> const& values) {
    return py::array_t<T>(static_cast<py::ssize_t>(values.size()), values.data());
}

// Boxes are passed between Python and C++ as (x0, y0, width, height).
inline Box toBox(std::array<std::int64_t, 4> const& bbox) { return {bbox[0], bbox[1], bbox[2], bbox[3]}; }
inline std::array<std::int64_t, 4> fromBox(Box const& box) { return {box.x0, box.y0, box.width, box.height}; }

}  // namespace evensky::python
