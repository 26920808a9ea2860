// Program for a tool that counts the instructions of hot loops: it does one kind of work on fixed pixels and exits.
// Only the instructions inside `measured` are to be counted.
//
// Usage: instructions NAME; without a name, it prints all names.

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "evensky/approximate.hpp"
#include "evensky/background.hpp"
#include "evensky/background_mesh.hpp"
#include "evensky/clipped_stats.hpp"
#include "evensky/combine.hpp"
#include "evensky/pair.hpp"
#include "evensky/sampling.hpp"
#include "evensky/simd.hpp"
#include "evensky/statistics.hpp"

using namespace evensky;

namespace {

constexpr std::ptrdiff_t side = 1024;

// A linear congruential generator gives the same numbers everywhere; the sum of four is about normally distributed.
class Noise {
public:
    float operator()() {
        double sum = 0.0;
        for (int i = 0; i < 4; ++i) {
            _state = _state * 6364136223846793005ULL + 1442695040888963407ULL;
            sum += static_cast<double>(_state >> 40) / static_cast<double>(1U << 24) - 0.5;
        }
        return static_cast<float>(10.0 * std::sqrt(3.0) * sum);
    }

private:
    std::uint64_t _state = 42;
};

struct Exposure {
    explicit Exposure(Noise& noise) : image(side * side), mask(side * side), variance(side * side, 100.0F) {
        for (std::ptrdiff_t y = 0; y < side; ++y) {
            for (std::ptrdiff_t x = 0; x < side; ++x) {
                auto const i = static_cast<std::size_t>(y * side + x);
                image[i] = 1000.0F + 0.05F * static_cast<float>(x) + 0.02F * static_cast<float>(y) + noise();
                mask[i] = i % 20 == 7 ? 1 : 0;
                variance[i] += 0.01F * noise();
                if (i % 1000 == 3) image[i] = std::numeric_limits<float>::quiet_NaN();
            }
        }
    }
    [[nodiscard]] MaskedImageView<float const> view() const {
        return {{image.data(), side, side}, {mask.data(), side, side}, {variance.data(), side, side}};
    }

    std::vector<float> image;
    std::vector<MaskPixel> mask;
    std::vector<float> variance;
};

}  // namespace

// This function is outside of namespaces and not inlined, so that the tool can find it by its name.
extern "C" __attribute__((noinline)) void measured(std::function<void()> const& work) { work(); }

int main(int argc, char** argv) {
    Noise noise;
    Exposure const one(noise), other(noise);
    StatisticsControl const sctrl(3.0, 3, 1);
    BackgroundControl const bctrl(8, 8, sctrl, MEANCLIP);
    Background const background(one.view(), 0, 0, bctrl, 1);
    auto const approximate = background.getApproximate(ApproximateControl(ApproximateControl::CHEBYSHEV, 6));
    std::vector<float> memory(side * side);
    ImageView<float> const out(memory.data(), side, side);
    PairOptions options;
    options.binSize = 128;
    options.referenceBadMask = options.scienceBadMask = 1;

    // Nodes of a grid that is turned by 30 degrees about the middle of the image.
    constexpr std::ptrdiff_t step = 64, nodes = side / step + 1;
    std::vector<double> x, y;
    for (std::ptrdiff_t i = 0; i < nodes * nodes; ++i) {
        auto const dx = static_cast<double>(i % nodes * step - side / 2);
        auto const dy = static_cast<double>(i / nodes * step - side / 2);
        x.push_back(side / 2 + 0.866 * dx - 0.5 * dy);
        y.push_back(side / 2 + 0.5 * dx + 0.866 * dy);
    }
    // Sixteen images of a sixteenth of the pixels, of equal noise, and of noise that differs by a factor of 3.
    constexpr std::ptrdiff_t part = side / 4;
    std::vector<float> coadd(2 * part * part), unequal(one.variance);
    for (std::size_t i = 0; i < unequal.size(); ++i) unequal[i] *= 1.0F + 0.5F * static_cast<float>(i / (part * part));
    std::vector<std::int32_t> counts(3 * part * part);
    CombineOutput<float> combined;
    combined.image = {coadd.data(), part, part};
    combined.variance = {coadd.data() + part * part, part, part};
    combined.mask = {counts.data(), part, part};
    combined.number = {counts.data() + part * part, part, part};
    combined.rejected = {counts.data() + 2 * part * part, part, part};
    std::vector<double> const ones(17, 1.0);
    auto const combineWith = [&](Statistic statistic, std::vector<float> const& variances) {
        std::vector<CombineInput<float>> images(16);
        for (std::size_t i = 0; i < images.size(); ++i) {
            auto const at = i * part * part;
            images[i].planes.image = {one.image.data() + at, part, part};
            images[i].planes.mask = {one.mask.data() + at, part, part};
            images[i].planes.variance = {variances.data() + at, part, part};
            images[i].bad = 1;
        }
        CombineOptions how;
        how.statistic = statistic;
        how.varianceFactors = how.varianceSoftening = ones;
        combine<float>(combined, images, how, 1);
    };

    SamplingMap const map{{x.data(), nodes, nodes}, {y.data(), nodes, nodes}, step};

    auto const binsOf = [&](int size) {
        auto const number = static_cast<int>(side) / size;
        BackgroundControl const small(number, number, sctrl, MEANCLIP);
        Background const again(one.view(), 0, 0, small, 1);
    };
    auto const statistics = [&](int flags) { (void)makeStatistics<float>(one.view(), flags, sctrl, 1); };
    auto const weighted = [&](int flags) {
        auto inverse = sctrl;
        inverse.setWeighted(true);
        (void)makeStatistics<float>(one.view(), flags, inverse, 1);
    };
    // A wide image whose columns are contiguous.
    MaskedImageView<float const> const standing(
            ImageView<float const>(one.image.data(), 16 * side, side / 16, side / 16, 1));
    auto const meshOf = [&](LevelEstimator estimator, ScatterEstimator scatter, std::int64_t size = 128) {
        MeshOptions mesh;
        mesh.width = mesh.height = size;
        mesh.estimator = estimator;
        mesh.rmsEstimator = scatter;
        mesh.bad = 1;
        BackgroundMesh const again(one.view(), 0, 0, mesh, 1);
    };
    // Clip columns of 1/4 of the side, or of all of it.
    auto const clipColumns = [&](std::ptrdiff_t height) {
        auto const width = side * side / height;
        auto const n = static_cast<std::size_t>(width);
        std::vector<double> means(n), medians(n), stdevs(n);
        std::vector<std::int32_t> numbers(n), rejected(n);
        clippedStatsOfColumns<float>({means, medians, stdevs, numbers, rejected},
                                     ImageView<float const>(one.image.data(), width, height), {}, 1);
    };
    std::map<std::string, std::function<void()>> const works{
            {"moments", [&] { statistics(MEAN | STDEV | NPOINT); }},
            {"weighted", [&] { weighted(MEAN | NPOINT); }},
            {"weighted_clip", [&] { weighted(MEANCLIP | NPOINT); }},
            {"standing", [&] { (void)makeStatistics<float>(standing, MEAN | NPOINT, sctrl, 1); }},
            {"clipped", [&] { statistics(MEANCLIP | STDEVCLIP | MEDIAN | NPOINT); }},
            {"bins", [&] { Background const again(one.view(), 0, 0, bctrl, 1); }},
            {"bins8", [&] { binsOf(8); }},
            {"bins16", [&] { binsOf(16); }},
            {"bins32", [&] { binsOf(32); }},
            {"mesh", [&] { meshOf(LevelEstimator::SEXTRACTOR, ScatterEstimator::STDEV); }},
            {"mesh_grouped", [&] { meshOf(LevelEstimator::GROUPED_MODE, ScatterEstimator::STDEV, 16); }},
            {"mesh_mad", [&] { meshOf(LevelEstimator::MEDIAN, ScatterEstimator::MAD); }},
            {"mesh_biweight", [&] { meshOf(LevelEstimator::BIWEIGHT, ScatterEstimator::BIWEIGHT); }},
            {"mesh64", [&] { meshOf(LevelEstimator::BIWEIGHT, ScatterEstimator::BIWEIGHT, 64); }},
            {"clip_image", [&] { (void)clippedStats(StoredImage(one.view()), 1, {}, 1); }},
            {"clip_columns", [&] { clipColumns(side / 4); }},
            {"clip_long", [&] { clipColumns(side); }},
            {"akima", [&] { background.getImage(out, {0, 0, side, side}, 1); }},
            {"chebyshev", [&] { approximate.getImage(out, {0, 0, side, side}, -1, -1, 1); }},
            {"match", [&] { (void)matchBackgrounds<float>(one.view(), other.view(), out, 0, 0, options, 1); }},
            {"coadd", [&] { combineWith(Statistic::MEANCLIP, one.variance); }},
            {"unequal", [&] { combineWith(Statistic::MEANCLIP, unequal); }},
            {"median", [&] { combineWith(Statistic::MEDIAN, unequal); }},
            {"sample", [&] { sample_nearest<float>(one.view(), map, 1.1, 1, out, 0, 0, 1); }},
    };
    auto const found = works.find(argc > 1 ? argv[1] : "");
    if (found == works.end()) {
        for (auto const& [name, work] : works) std::printf("%s\n", name.c_str());
        return argc > 1 ? 1 : 0;
    }
    std::printf("level %s\n", simdLevel());
    measured(found->second);
    return 0;
}
