#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <cmath>
#include <limits>
#include <mutex>
#include <set>
#include <thread>

#include "evensky/bin_image.hpp"
#include "evensky/errors.hpp"
#include "evensky/pair.hpp"
#include "evensky/parallel.hpp"
#include "evensky/simd.hpp"
#include "evensky/stack.hpp"
#include "evensky/statistics.hpp"
#include "testing.hpp"

TEST_CASE("parallel: every piece is done once, for any number of threads") {
    for (int threads : {1, 2, 3, 16}) {
        for (std::ptrdiff_t count : {0, 1, 2, 1000}) {
            std::vector<std::atomic<int>> calls(static_cast<std::size_t>(count));
            evensky::parallelFor(count, threads, [&](std::ptrdiff_t i) { ++calls[static_cast<std::size_t>(i)]; });
            int wrong = 0;
            for (auto const& number : calls) wrong += number != 1;
            CHECK(wrong == 0);
        }
    }
}

TEST_CASE("parallel: the caller gets the exception of the first piece that throws") {
    for (int threads : {1, 2, 8}) {
        auto const message = testing::messageOf<evensky::RuntimeError>([&] {
            evensky::parallelFor(100, threads, [](std::ptrdiff_t i) {
                if (i % 10 == 7) throw evensky::RuntimeError("piece " + std::to_string(i));
            });
        });
        CHECK(message == "piece 7");
    }
}

TEST_CASE("parallel: nested calls") {
    std::atomic<int> total = 0;
    evensky::parallelFor(4, 2, [&](std::ptrdiff_t) { evensky::parallelFor(5, 2, [&](std::ptrdiff_t) { ++total; }); });
    CHECK(total == 20);
}

TEST_CASE("parallel: the process-wide default") {
    int const before = evensky::getNumThreads();
    evensky::setNumThreads(3);
    CHECK(evensky::getNumThreads() == 3);
    CHECK(testing::holds(testing::messageOf<evensky::InvalidParameterError>([] { evensky::setNumThreads(0); }), "0"));
    CHECK(testing::holds(testing::messageOf<evensky::InvalidParameterError>(
                                 [] { evensky::parallelFor(1, -2, [](std::ptrdiff_t) {}); }),
                         "-2"));
    CHECK(evensky::getNumThreads() == 3);
    evensky::setNumThreads(before);
}

TEST_CASE("simd: the instruction set has a name") {
    std::string const level = evensky::simdLevel();
    CHECK((level == "portable" || level == "avx2" || level == "avx512"));
}

TEST_CASE("errors: invalid arguments") {
    using evensky::InvalidParameterError;
    auto const image = testing::noise(20, 20, 1.0, 1.0);
    CHECK_THROWS_AS((void)evensky::makeStatistics<float>(image.view(), evensky::MEAN, evensky::StatisticsControl(), -3),
                    InvalidParameterError);
    evensky::ImageView<float const> const nothing(nullptr, 5, 5);
    CHECK_THROWS_AS((void)evensky::makeStatistics<float>(nothing, evensky::MEAN), InvalidParameterError);
    CHECK_THROWS_AS(evensky::parallelFor(3, 1, {}), InvalidParameterError);
    testing::Pixels<float> out(20, 20);
    evensky::PairOptions options;
    options.gridStatistic = evensky::STDEV;
    auto const message = testing::messageOf<InvalidParameterError>(
            [&] { (void)evensky::matchBackgrounds<float>(image.view(), image.view(), out.view(), 0, 0, options); });
    CHECK(testing::holds(message, "MEANCLIP"));
}

namespace {

struct Interrupted {};
std::atomic<bool> interrupt{false};
std::atomic<int> asked{0};

// While an object of this class exists, calls are interrupted as soon as `interrupt` is set.
struct InterruptsAllowed {
    InterruptsAllowed() {
        interrupt = false;
        asked = 0;
        evensky::setInterruptCheck([] {
            ++asked;
            if (interrupt) throw Interrupted{};
        });
    }
    ~InterruptsAllowed() { evensky::setInterruptCheck(nullptr); }
    InterruptsAllowed(InterruptsAllowed const&) = delete;
    InterruptsAllowed& operator=(InterruptsAllowed const&) = delete;
};

void sleepFor(int milliseconds) { std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds)); }

// Work that ends only by an interruption.
void goOnForever() {
    for (;;) {
        evensky::checkInterrupt();
        sleepFor(1);
    }
}

}  // namespace

TEST_CASE("parallel: an interrupted call starts no more pieces, for any number of threads") {
    InterruptsAllowed const allowed;
    for (int threads : {1, 2, 8}) {
        interrupt = false;
        std::atomic<int> done = 0;
        auto const work = [&](std::ptrdiff_t) {
            sleepFor(1);
            if (++done == 150) interrupt = true;
        };
        CHECK_THROWS_AS(evensky::parallelFor(1'000'000, threads, work), Interrupted);
        CHECK(done < 150 + 110 * threads);
    }
    CHECK(asked > 3);
}

TEST_CASE("parallel: long pieces of workers end, too, and so do nested calls") {
    InterruptsAllowed const allowed;
    std::thread user([] {
        sleepFor(250);
        interrupt = true;
    });
    // The calling thread only waits.
    auto const caller = std::this_thread::get_id();
    std::atomic<bool> helped{false};
    CHECK_THROWS_AS(evensky::parallelFor(2, 2,
                                         [&](std::ptrdiff_t) {
                                             while (std::this_thread::get_id() == caller) {
                                                 sleepFor(1);
                                                 if (helped) return;
                                             }
                                             helped = true;
                                             goOnForever();
                                         }),
                    Interrupted);
    user.join();
    auto const forever = [](std::ptrdiff_t) { goOnForever(); };
    CHECK_THROWS_AS(evensky::parallelFor(4, 2, [&](std::ptrdiff_t) { evensky::parallelFor(2, 2, forever); }),
                    Interrupted);
    interrupt = false;
    std::atomic<int> done = 0;
    evensky::parallelFor(10, 2, [&](std::ptrdiff_t) { ++done; });
    CHECK(done == 10);
}

TEST_CASE("parallel: a check that never throws changes nothing") {
    auto const image = testing::noise<double>(700, 700, 5.0, 2.0);
    auto const flags = evensky::MEDIAN | evensky::MEANCLIP;
    auto const before = evensky::makeStatistics<double>(image.view(), flags);
    InterruptsAllowed const allowed;
    auto const after = evensky::makeStatistics<double>(image.view(), flags, evensky::StatisticsControl(), 2);
    CHECK(after.getValue(evensky::MEANCLIP) == before.getValue(evensky::MEANCLIP));
    CHECK(after.getValue(evensky::MEDIAN) == before.getValue(evensky::MEDIAN));
}

TEST_CASE("parallel: an interruption ends pieces before the one in which it occurred, too") {
    InterruptsAllowed const allowed;
    auto const caller = std::this_thread::get_id();
    std::atomic<bool> helping = false;
    // The worker is at an earlier piece than the caller, which would not end by itself.
    auto const work = [&](std::ptrdiff_t piece) {
        if (std::this_thread::get_id() == caller) {
            while (!helping) sleepFor(1);
            if (piece == 0) return;
            interrupt = true;
        } else {
            helping = true;
        }
        goOnForever();
    };
    CHECK_THROWS_AS(evensky::parallelFor(3, 2, work), Interrupted);
}

TEST_CASE("parallel: an interruption ends pieces before the one in which it occurred, in nested calls") {
    InterruptsAllowed const allowed;
    auto const caller = std::this_thread::get_id();
    std::atomic<bool> helping = false;
    auto const outer = [&](std::ptrdiff_t) {
        if (std::this_thread::get_id() == caller) {
            while (!helping) sleepFor(1);
            interrupt = true;
            goOnForever();
        }
        // A worker of the outer call has a worker of its own, which is at an earlier piece.
        auto const helper = std::this_thread::get_id();
        std::atomic<bool> at_a_piece = false;
        evensky::parallelFor(3, 2, [&](std::ptrdiff_t piece) {
            if (std::this_thread::get_id() == helper) {
                while (!at_a_piece) sleepFor(1);
                if (piece == 0) return;
                helping = true;
            } else {
                at_a_piece = true;
            }
            goOnForever();
        });
    };
    CHECK_THROWS_AS(evensky::parallelFor(2, 2, outer), Interrupted);
}

TEST_CASE("parallel: a call can be interrupted after a piece has failed") {
    InterruptsAllowed const allowed;
    auto const caller = std::this_thread::get_id();
    std::atomic<bool> helping = false;
    auto const work = [&](std::ptrdiff_t piece) {
        if (std::this_thread::get_id() == caller) {
            while (!helping) sleepFor(1);
            if (piece == 0) return;
            interrupt = true;
            throw evensky::RuntimeError("a later piece");
        }
        helping = true;
        goOnForever();
    };
    CHECK_THROWS_AS(evensky::parallelFor(3, 2, work), Interrupted);
}

TEST_CASE("parallel: any number of threads may be asked for, but no more than 1024 are started") {
    std::mutex guard;
    std::set<std::thread::id> threads;
    std::atomic<int> pieces{0};
    evensky::parallelFor(5000, std::numeric_limits<int>::max(), [&](std::ptrdiff_t) {
        ++pieces;
        std::scoped_lock const lock(guard);
        threads.insert(std::this_thread::get_id());
    });
    CHECK(pieces == 5000);
    CHECK(threads.size() <= 1024);
}

TEST_CASE("parallel: threads that share every object have the results that each call has alone") {
    using namespace evensky;
    using testing::Pixels;
    auto const image = testing::noise(300, 200, 10.0, 2.0);
    auto const wide = testing::noise<double>(300, 200, 1e-165, 1e-166);
    auto const mask = testing::speckles(300, 200, 0.02, 1);
    Pixels<VariancePixel> const variance(300, 200, 4.0F);
    MaskedImageView<float const> const exposure(image.view(), mask.view(), variance.view());
    StatisticsControl sctrl;
    sctrl.setAndMask(1);
    ApproximateControl const actrl(ApproximateControl::CHEBYSHEV, 3);
    Background const background(exposure, 5, 7, BackgroundControl(8, 6, sctrl));
    auto const model = background.getApproximate(actrl);
    std::vector<MaskedImageView<float const>> const images(4, exposure);
    PairOptions options;
    options.binSize = 32;
    options.gridStatistic = MEANCLIP;
    auto const work = [&] {
        std::vector<double> results;
        auto const statistics = makeStatistics<float>(exposure, MEANCLIP | MEDIAN | MAD | ERRORS, sctrl, 2);
        for (auto const property : {MEANCLIP, MEDIAN, MAD}) results.push_back(statistics.getValue(property));
        results.push_back(makeStatistics<double>(wide.view(), STDEVCLIP, sctrl, 2).getValue());
        Pixels<float> out(300, 200), other(300, 200), stacked(300, 200), binned(30, 20);
        background.getImage(out.view(), background.getImageBBox(), 2);
        model.getImage(other.view(), model.getBBox(), -1, -1, 2);
        statisticsStack<float>(MaskedImageView<float>(stacked.view()), images, MEDIAN, sctrl, {}, {}, 2);
        binImage<float>(MaskedImageView<float>(binned.view()), exposure, 10, 10);
        for (auto const* pixels : {&out, &other, &stacked, &binned}) {
            for (auto const value : pixels->values)
                results.push_back(std::isnan(value) ? -1.0 : static_cast<double>(value));
        }
        auto const match = matchBackgrounds<float>(exposure, exposure, out.view(), 0, 0, options, 2);
        results.push_back(match.matchedMSE);
        results.push_back(model.evaluate(12.5, 30.0));
        return results;
    };
    auto const alone = work();
    std::vector<std::vector<double>> all(6);
    testing::inThreads(all.size(), [&](std::size_t i) { all[i] = work(); });
    for (auto const& results : all) CHECK(results == alone);
}
