#include "evensky/combine.hpp"

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cstdint>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include "arrays.hpp"
#include "module.hpp"
#include "names.hpp"

namespace evensky::python {

namespace {

using Plane = std::optional<py::array>;

// Arrays of an image, which it keeps alive: pixels, mask and variances, the bits that reject pixels, its weight and its
// time.
using Input = std::tuple<py::array, Plane, Plane, MaskPixel, double, double>;
// Arrays of the output: pixels, variances, mask, number, rejected, weight and time.
using Output = std::tuple<py::array, Plane, Plane, Plane, Plane, Plane, Plane>;

template <typename T>
struct InputArrays {
    InputPlane<T> image;
    InputPlane<MaskPixel> mask;
    InputPlane<VariancePixel> variance;
    MaskPixel bad;
    double weight, time;

    explicit InputArrays(Input const& arrays)
            : image(std::get<0>(arrays), "The image"),
              mask(std::get<1>(arrays), "The mask"),
              variance(std::get<2>(arrays), "The variance"),
              bad(std::get<3>(arrays)),
              weight(std::get<4>(arrays)),
              time(std::get<5>(arrays)) {}
    [[nodiscard]] CombineInput<T> view() const {
        return {{image.view(), mask.view(), variance.view()}, bad, weight, time};
    }
};

template <typename T>
ImageView<T> optionalPlane(Plane& plane, char const* name) {
    return plane ? outputPlane<T>(*plane, name) : ImageView<T>();
}

template <typename T>
CombineOutput<T> outputArrays(Output& arrays) {
    auto& [image, variance, mask, number, rejected, weight, time] = arrays;
    CombineOutput<T> out;
    out.image = outputPlane<T>(image, "The output");
    out.variance = optionalPlane<VariancePixel>(variance, "The variance of the output");
    out.mask = optionalPlane<MaskPixel>(mask, "The mask of the output");
    out.number = optionalPlane<std::int32_t>(number, "The number of the output");
    out.rejected = optionalPlane<std::int32_t>(rejected, "The rejected number of the output");
    out.weight = optionalPlane<WeightPixel>(weight, "The weight of the output");
    out.time = optionalPlane<float>(time, "The time of the output");
    return out;
}

// Return the counts of pixels that are not good, and of rejected ones, for each image.
std::pair<py::array_t<std::int64_t>, py::array_t<std::int64_t>> combineArrays(
        Output arrays, std::vector<Input> const& images, Statistic statistic, double sigmaLow, double sigmaHigh,
        int rounds, ClipCentre centre, ClipScatter scatter, bool byVariance, std::vector<double> const& varianceFactors,
        std::vector<double> const& varianceSoftening, int num_threads) {
    std::vector<std::int64_t> masked(images.size()), rejected(images.size());
    CombineOptions const options{statistic, sigmaLow,   sigmaHigh,       rounds,           centre,
                                 scatter,   byVariance, varianceFactors, varianceSoftening};
    dispatchFloating(std::get<0>(arrays), [&]<typename T>(T) {
        auto out = outputArrays<T>(arrays);
        out.maskedOf = masked;
        out.rejectedOf = rejected;
        std::vector<InputArrays<T>> inputs;
        std::vector<CombineInput<T>> views;
        inputs.reserve(images.size());
        views.reserve(images.size());
        for (auto const& image : images) views.push_back(inputs.emplace_back(image).view());
        py::gil_scoped_release const release;
        combine<T>(out, views, options, num_threads);
    });
    return {toArray(masked), toArray(rejected)};
}

}  // namespace

void declareCombine(py::module_& module) {
    // The names are those of the options in Python.
    auto const statistics = [](std::string const& name) {
        return named(
                name, "statistic",
                NamesOf<Statistic, 3>{
                        {{"mean", Statistic::MEAN}, {"median", Statistic::MEDIAN}, {"meanclip", Statistic::MEANCLIP}}});
    };
    module.def(
            "combine",
            [=](Output out, std::vector<Input> const& images, std::string const& statistic, double sigmaLow,
                double sigmaHigh, int rounds, std::optional<std::string> const& centre,
                std::optional<std::string> const& scatter, bool byVariance, std::vector<double> const& varianceFactors,
                std::vector<double> const& varianceSoftening, int num_threads) {
                return combineArrays(std::move(out), images, statistics(statistic), sigmaLow, sigmaHigh, rounds,
                                     centreNamed(centre), scatterNamed(scatter), byVariance, varianceFactors,
                                     varianceSoftening, num_threads);
            },
            py::arg("out"), py::arg("images"), py::arg("statistic"), py::arg("sigma_low"), py::arg("sigma_high"),
            py::arg("rounds"), py::arg("centre"), py::arg("scatter"), py::arg("by_variance"),
            py::arg("variance_factors") = std::vector<double>(), py::arg("variance_softening") = std::vector<double>(),
            py::arg("num_threads") = 0);
}

}  // namespace evensky::python
