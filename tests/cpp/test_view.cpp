#include <doctest/doctest.h>

#include <algorithm>
#include <numeric>

#include "evensky/box.hpp"
#include "evensky/errors.hpp"
#include "evensky/version.hpp"
#include "evensky/view.hpp"
#include "testing.hpp"

using evensky::Box;
using evensky::ImageView;

TEST_CASE("view: strides of any sign reach the pixels") {
    std::vector<int> pixels(12);
    std::iota(pixels.begin(), pixels.end(), 0);  // 4 x 3
    ImageView<int const> const plain(pixels.data(), 4, 3);
    ImageView<int const> const transposed(pixels.data(), 3, 4, 4, 1);
    ImageView<int const> const turned(pixels.data() + 11, 4, 3, -1, -4);
    ImageView<int const> const everySecond(pixels.data(), 2, 2, 2, 8);
    CHECK(plain(3, 1) == 7);
    CHECK(transposed(1, 3) == 7);
    CHECK(turned(0, 1) == 7);
    CHECK(everySecond(1, 1) == 10);
    CHECK(*plain.row(2) == 8);
}

TEST_CASE("view: parts of a view") {
    std::vector<int> pixels(12);
    std::iota(pixels.begin(), pixels.end(), 0);
    ImageView<int> const all(pixels.data(), 4, 3);
    auto const part = all.subview({1, 1, 2, 2});
    CHECK(part.width() == 2);
    CHECK(part(0, 0) == 5);
    part(1, 1) = 100;
    CHECK(pixels[10] == 100);
    ImageView<int const> const readable = part;
    CHECK(readable(1, 1) == 100);
    auto const message = testing::messageOf<evensky::LengthError>([&] { (void)all.subview({2, 1, 3, 1}); });
    CHECK(message == "Box (2:4,1:1) is not inside the view (0:3,0:2)");
    CHECK_FALSE(ImageView<int>().subview({5, 5, 5, 5}).exists());
}

TEST_CASE("box: containment, even if sums of coordinates would overflow") {
    constexpr auto largest = std::numeric_limits<std::int64_t>::max();
    constexpr auto least = std::numeric_limits<std::int64_t>::min();
    Box const box{-2, 3, 10, 5};
    CHECK(box.contains({-2, 3, 10, 5}));
    CHECK(box.contains({7, 7, 1, 1}));
    CHECK_FALSE(box.contains({7, 7, 2, 1}));
    CHECK_FALSE(box.contains({-3, 3, 2, 1}));
    CHECK(box.contains({100, 100, 0, 5}));  // It has no pixel outside.
    CHECK_FALSE(box.contains({largest - 1, 3, 10, 1}));
    CHECK_FALSE(Box{least, least, 10, 10}.contains({largest, largest, 1, 1}));
    CHECK(Box{0, 0, largest, largest}.contains({largest - 1, 0, 1, 1}));
    CHECK(Box{0, 0, 0, 5}.isEmpty());
    CHECK(Box{0, 0, -1, 5}.isEmpty());
    CHECK(Box{2, 1, 3, 1}.toString() == "(2:4,1:1)");
}

TEST_CASE("errors: hierarchy of exceptions") {
    auto const thrown = [](auto error) {
        try {
            throw error;
        } catch (evensky::Error const& caught) {
            return std::string(caught.what());
        }
    };
    CHECK(thrown(evensky::InvalidParameterError("a")) == "a");
    CHECK(thrown(evensky::NotFoundError("b")) == "b");
    CHECK_THROWS_AS(throw evensky::NotFoundError("x"), evensky::InvalidParameterError);
    CHECK_THROWS_AS(throw evensky::LengthError("x"), std::runtime_error);
}

TEST_CASE("version: headers and library have the same version") {
    CHECK(evensky::version() == std::string(EVENSKY_VERSION));
}

TEST_CASE("view: an empty box is inside every view, however far away, and has no pixels") {
    constexpr auto largest = std::numeric_limits<std::int64_t>::max();
    constexpr auto least = std::numeric_limits<std::int64_t>::min();
    std::vector<int> pixels(12);
    ImageView<int> const all(pixels.data(), 4, 3);
    for (Box const& box : {Box{largest, largest, 0, 0}, Box{least, largest, 0, 3}, Box{largest, least, 5, 0},
                           Box{least, least, least, largest}, Box{1, 1, -1, -1}}) {
        auto const part = all.subview(box);
        CHECK(part.exists());
        CHECK(part.width() == std::max<std::int64_t>(box.width, 0));
        CHECK(part.height() == std::max<std::int64_t>(box.height, 0));
        CHECK(part.data() == pixels.data());
    }
    CHECK_THROWS_AS((void)all.subview({largest, largest, 1, 1}), evensky::LengthError);
    CHECK_THROWS_AS((void)all.subview({least, 0, largest, 1}), evensky::LengthError);
}
