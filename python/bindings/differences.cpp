#include "evensky/differences.hpp"

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "arrays.hpp"
#include "module.hpp"

namespace evensky::python {

namespace {

// Image and, if there is one, mask of an exposure.
using ImageAndMask = std::tuple<py::array, std::optional<py::array>>;

// Return values, errors, counts, x and y, each of shape (rows of bins, columns of bins).
py::tuple bin(ImageAndMask const& reference, ImageAndMask const& science, std::vector<std::int64_t> const& x_edges,
              std::vector<std::int64_t> const& y_edges, PairOptions const& options, int num_threads) {
    auto const& [refImage, refMask] = reference;
    auto const& [sciImage, sciMask] = science;
    StoredPlanes const from(refImage, refMask, std::nullopt, "reference ");
    StoredPlanes const to(sciImage, sciMask, std::nullopt, "science ");
    auto const bins = [&] {
        py::gil_scoped_release const release;
        return bin_differences(from.image(), to.image(), x_edges, y_edges, options, num_threads);
    }();
    auto const ny = static_cast<py::ssize_t>(y_edges.size()) - 1;
    auto const nx = static_cast<py::ssize_t>(x_edges.size()) - 1;
    auto const grid = [&](auto const& values) { return toArray(values).reshape({ny, nx}); };
    return py::make_tuple(grid(bins.values), grid(bins.errors), grid(bins.counts), grid(bins.x), grid(bins.y));
}

// Return sums and numbers of pixels, and those inside windows, each of shape (rows of cells, columns of cells).
py::tuple sum(ImageAndMask const& reference, ImageAndMask const& science, std::vector<std::int64_t> const& x_edges,
              std::vector<std::int64_t> const& y_edges, py::array const& lows, py::array const& highs,
              PairOptions const& options, int num_threads) {
    auto const& [refImage, refMask] = reference;
    auto const& [sciImage, sciMask] = science;
    using Limits = py::array_t<double, py::array::c_style | py::array::forcecast>;
    auto const listed = [](Limits const& limits) {
        return std::vector<double>(limits.data(), limits.data() + limits.size());
    };
    auto const least = listed(lows), most = listed(highs);
    StoredPlanes const from(refImage, refMask, std::nullopt, "reference ");
    StoredPlanes const to(sciImage, sciMask, std::nullopt, "science ");
    auto const cells = [&] {
        py::gil_scoped_release const release;
        return sum_differences(from.image(), to.image(), x_edges, y_edges, least, most, options, num_threads);
    }();
    auto const ny = static_cast<py::ssize_t>(y_edges.size()) - 1;
    auto const nx = static_cast<py::ssize_t>(x_edges.size()) - 1;
    auto const grid = [&](auto const& values) { return toArray(values).reshape({ny, nx}); };
    return py::make_tuple(grid(cells.sums), grid(cells.counts), grid(cells.sums_within), grid(cells.counts_within));
}

// Return the light of each square, and the numbers of pixels by rows of squares and columns of bins.
py::tuple windows(ImageAndMask const& reference, ImageAndMask const& science, std::vector<std::int64_t> const& x_edges,
                  std::vector<std::int64_t> const& y_edges, py::array const& wanted,
                  std::tuple<std::vector<std::int64_t>, std::vector<std::int64_t>> const& bins,
                  std::tuple<py::array, py::array> const& windows, PairOptions const& options, int num_threads) {
    auto const& [refImage, refMask] = reference;
    auto const& [sciImage, sciMask] = science;
    StoredPlanes const from(refImage, refMask, std::nullopt, "reference ");
    StoredPlanes const to(sciImage, sciMask, std::nullopt, "science ");
    checkPlane(wanted, py::dtype::of<bool>(), "wanted");
    InputPlane<double> const centres(std::get<0>(windows), "The grid of centres");
    InputPlane<double> const halfWidths(std::get<1>(windows), "The grid of half-widths");
    SquareWindows const squares{x_edges,
                                y_edges,
                                viewOf<std::uint8_t const>(wanted, static_cast<std::uint8_t const*>(wanted.data())),
                                std::get<0>(bins),
                                std::get<1>(bins),
                                centres.view(),
                                halfWidths.view()};
    auto const found = [&] {
        py::gil_scoped_release const release;
        return windows_in_squares(from.image(), to.image(), squares, options, num_threads);
    }();
    auto const ny = static_cast<py::ssize_t>(y_edges.size()) - 1;
    return py::make_tuple(toArray(found.light).reshape({ny, py::ssize_t{-1}}),
                          toArray(found.counts).reshape({ny, py::ssize_t{-1}}));
}

// Return the number of bad pixels of each square.
py::array bad(ImageAndMask const& image, MaskPixel badBits, std::vector<std::int64_t> const& x_edges,
              std::vector<std::int64_t> const& y_edges, int num_threads) {
    auto const& [pixels, mask] = image;
    StoredPlanes const planes(pixels, mask, std::nullopt, "");
    auto const numbers = [&] {
        py::gil_scoped_release const release;
        return bad_in_squares(planes.image(), badBits, x_edges, y_edges, num_threads);
    }();
    return toArray(numbers).reshape({static_cast<py::ssize_t>(y_edges.size()) - 1, py::ssize_t{-1}});
}

}  // namespace

void declareDifferences(py::module_& module) {
    module.def("bin_differences", &bin, py::arg("reference"), py::arg("science"), py::arg("x_edges"),
               py::arg("y_edges"), py::arg("options"), py::arg("num_threads") = 0);
    module.def("sum_differences", &sum, py::arg("reference"), py::arg("science"), py::arg("x_edges"),
               py::arg("y_edges"), py::arg("lows"), py::arg("highs"), py::arg("options"), py::arg("num_threads") = 0);
    module.def("windows_in_squares", &windows, py::arg("reference"), py::arg("science"), py::arg("x_edges"),
               py::arg("y_edges"), py::arg("wanted"), py::arg("bins"), py::arg("windows"), py::arg("options"),
               py::arg("num_threads") = 0);
    module.def("bad_in_squares", &bad, py::arg("image"), py::arg("bad"), py::arg("x_edges"), py::arg("y_edges"),
               py::arg("num_threads") = 0);
}

}  // namespace evensky::python
