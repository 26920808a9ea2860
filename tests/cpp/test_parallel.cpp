#include <doctest/doctest.h>

#include <atomic>

#include "evensky/errors.hpp"
#include "evensky/parallel.hpp"
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
