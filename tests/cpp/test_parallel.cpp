#include <doctest/doctest.h>

#include <atomic>

#include "evensky/errors.hpp"
#include "evensky/matching.hpp"
#include "evensky/parallel.hpp"
#include "evensky/simd.hpp"
#include "evensky/statistics.hpp"
#include "testing.hpp"

TEST_CASE("parallel: every piece once, for any number of threads") {
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

TEST_CASE("parallel: the first piece that throws is what the caller gets") {
    for (int threads : {1, 2, 8}) {
        auto const message = testing::messageOf<evensky::RuntimeError>([&] {
            evensky::parallelFor(100, threads, [](std::ptrdiff_t i) {
                if (i % 10 == 7) throw evensky::RuntimeError("piece " + std::to_string(i));
            });
        });
        CHECK(message == "piece 7");
    }
}

TEST_CASE("parallel: calls inside calls") {
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

TEST_CASE("errors: arguments that cannot be meant") {
    using evensky::InvalidParameterError;
    auto const image = testing::noise(20, 20, 1.0, 1.0);
    CHECK_THROWS_AS((void)evensky::makeStatistics<float>(image.view(), evensky::MEAN, evensky::StatisticsControl(), -3),
                    InvalidParameterError);
    evensky::ImageView<float const> const nothing(nullptr, 5, 5);
    CHECK_THROWS_AS((void)evensky::makeStatistics<float>(nothing, evensky::MEAN), InvalidParameterError);
    CHECK_THROWS_AS(evensky::parallelFor(3, 1, {}), InvalidParameterError);
    testing::Pixels<float> out(20, 20);
    evensky::MatchingOptions options;
    options.gridStatistic = evensky::STDEV;
    auto const message = testing::messageOf<InvalidParameterError>(
            [&] { (void)evensky::matchBackgrounds<float>(image.view(), image.view(), out.view(), 0, 0, options); });
    CHECK(testing::holds(message, "MEANCLIP"));
}
