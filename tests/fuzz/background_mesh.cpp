// Fuzz target: a mesh of boxes of any image, filled, filtered and evaluated in any way. The number of threads does not
// matter, a part of an image equals the whole, and boxes have no more pixels than they can hold.

#include "evensky/background_mesh.hpp"

#include "input.hpp"

using namespace evensky;

namespace {

MeshOptions makeOptions(fuzz::Input& input) {
    MeshOptions options;
    options.width = input.within(0, 100);
    options.height = input.within(0, 100);
    options.edge = static_cast<EdgeMethod>(input.within(0, 3));
    options.estimator = static_cast<LevelEstimator>(input.within(0, 8));
    options.rmsEstimator = static_cast<ScatterEstimator>(input.within(0, 3));
    if (input.flag()) {
        options.sigmaLow = input.number();
        options.sigmaHigh = input.number();
    }
    options.rounds = static_cast<int>(input.within(-1, 20));
    options.centre = static_cast<ClipCentre>(input.within(0, 3));
    options.scatter = static_cast<ClipScatter>(input.within(0, 3));
    options.bad = input.take<MaskPixel>();
    return options;
}

void compare(BackgroundMesh const& one, BackgroundMesh const& other) {
    auto const level = one.level();
    for (std::ptrdiff_t y = 0; y < level.height(); ++y) {
        for (std::ptrdiff_t x = 0; x < level.width(); ++x) {
            bool const same = fuzz::same(level(x, y), other.level()(x, y)) &&
                              fuzz::same(one.error()(x, y), other.error()(x, y)) &&
                              fuzz::same(one.rms()(x, y), other.rms()(x, y)) &&
                              one.number()(x, y) == other.number()(x, y);
            fuzz::require(same, "threads do not matter");
            fuzz::require(!(one.rms()(x, y) < 0.0), "a scatter is not negative");
        }
    }
}

void evaluate(fuzz::Input& input, BackgroundMesh const& mesh, int threads) {
    auto const& box = mesh.getImageBBox();
    auto const style = static_cast<Interpolate::Style>(input.within(-1, 7));
    auto const undersample = static_cast<UndersampleStyle>(input.within(0, 2));
    auto const size = static_cast<std::size_t>(box.width * box.height);
    std::vector<float> whole(size), scatter(size);
    fuzz::answered([&] {
        ImageView<float> const image(whole.data(), box.width, box.height);
        mesh.getImage(image, box, style, undersample, 1);
        mesh.getRmsImage(ImageView<float>(scatter.data(), box.width, box.height), box, style, undersample, threads);
        for (float const value : scatter) fuzz::require(!(value < 0.0F), "a scatter is not negative");
        auto const x = input.within(0, box.width - 1), y = input.within(0, box.height - 1);
        auto const width = input.within(1, box.width - x), height = input.within(1, box.height - y);
        std::vector<float> part(static_cast<std::size_t>(width * height));
        mesh.getImage(ImageView<float>(part.data(), width, height), Box{box.x0 + x, box.y0 + y, width, height}, style,
                      undersample, threads);
        for (std::int64_t j = 0; j < height; ++j) {
            for (std::int64_t i = 0; i < width; ++i) {
                auto const a = static_cast<double>(part[static_cast<std::size_t>(j * width + i)]);
                fuzz::require(fuzz::same(a, static_cast<double>(image(x + i, y + j))), "a part equals the whole");
            }
        }
    });
    Box const anywhere{input.integer(), input.integer(), input.within(0, 5), input.within(0, 5)};
    std::vector<double> out(25);
    fuzz::answered([&] {
        mesh.getImage(ImageView<double>(out.data(), anywhere.width, anywhere.height), anywhere, style, undersample);
    });
}

// Evaluate the bicubic spline, as a whole and in part.
void evaluateSpline(fuzz::Input& input, BackgroundMesh const& mesh, int threads) {
    auto const& box = mesh.getImageBBox();
    std::vector<float> whole(static_cast<std::size_t>(box.width * box.height)), scatter(whole);
    ImageView<float> const image(whole.data(), box.width, box.height);
    mesh.getSplineImage(image, box, 1);
    mesh.getSplineRmsImage(ImageView<float>(scatter.data(), box.width, box.height), box, threads);
    for (float const value : scatter) fuzz::require(!(value < 0.0F), "a scatter is not negative");
    auto const x = input.within(0, box.width - 1), y = input.within(0, box.height - 1);
    auto const width = input.within(1, box.width - x), height = input.within(1, box.height - y);
    std::vector<double> part(static_cast<std::size_t>(width * height));
    mesh.getSplineImage(ImageView<double>(part.data(), width, height), Box{box.x0 + x, box.y0 + y, width, height},
                        threads);
    for (std::int64_t j = 0; j < height; ++j) {
        for (std::int64_t i = 0; i < width; ++i) {
            auto const a = static_cast<float>(part[static_cast<std::size_t>(j * width + i)]);
            fuzz::require(fuzz::same(static_cast<double>(a), static_cast<double>(image(x + i, y + j))),
                          "a part equals the whole");
        }
    }
}

template <typename T>
void run(fuzz::Input& input) {
    fuzz::answered([&] {
        auto const options = makeOptions(input);
        auto const x0 = input.integer(), y0 = input.integer();
        auto const threads = static_cast<int>(input.within(0, 3));
        fuzz::Exposure<T> exposure(input);
        auto const view = exposure.view();
        BackgroundMesh mesh(view, x0, y0, options, 1), again(view, x0, y0, options, threads);
        for (std::ptrdiff_t y = 0; y < mesh.number().height(); ++y) {
            for (std::ptrdiff_t x = 0; x < mesh.number().width(); ++x) {
                auto const n = mesh.number()(x, y);
                fuzz::require(n >= 0 && n <= options.width * options.height, "the number of pixels of a box");
                if (n == 0) fuzz::require(std::isnan(mesh.level()(x, y)), "NaN without a good pixel");
            }
        }
        compare(mesh, again);
        auto const percent = input.flag() ? input.number() : 100.0;
        auto const height = input.within(0, 40), width = input.within(0, 40);
        auto const threshold = input.flag() ? std::optional(input.number()) : std::nullopt;
        fuzz::answered([&] { mesh.fill(percent, 1); });
        fuzz::answered([&] { again.fill(percent, threads); });
        compare(mesh, again);
        fuzz::answered([&] { mesh.filter(height, width, threshold, 1); });
        fuzz::answered([&] { again.filter(height, width, threshold, threads); });
        compare(mesh, again);
        evaluate(input, mesh, threads);
        auto const least = input.number(), change = input.number();
        fuzz::answered([&] { mesh.fillFromNearest(least, 1); });
        fuzz::answered([&] { again.fillFromNearest(least, threads); });
        compare(mesh, again);
        fuzz::answered([&] { mesh.filterCentred(height, width, change, 1); });
        fuzz::answered([&] { again.filterCentred(height, width, change, threads); });
        compare(mesh, again);
        evaluateSpline(input, mesh, threads);
    });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
    fuzz::Input input(data, size);
    switch (input.take<std::uint8_t>() % 8) {
        case 0: run<double>(input); break;
        case 1: run<std::int32_t>(input); break;
        case 2: run<std::uint16_t>(input); break;
        default: run<float>(input); break;
    }
    return 0;
}
