// Fuzz target: a background of any image, evaluated anywhere in any way. Parts equal the whole, and the number of
// threads does not matter.

#include "evensky/background.hpp"

#include "input.hpp"

using namespace evensky;

namespace {

BackgroundControl makeControl(fuzz::Input& input) {
    auto const sctrl = std::make_shared<StatisticsControl>();
    sctrl->setAndMask(input.take<MaskPixel>());
    sctrl->setNanSafe(!input.flag());
    if (input.flag()) sctrl->setWeighted(input.flag());
    std::shared_ptr<ApproximateControl> actrl;
    if (input.flag()) {
        actrl = std::make_shared<ApproximateControl>(ApproximateControl::CHEBYSHEV,
                                                     static_cast<int>(input.within(0, 12)), -1, input.flag());
    }
    auto const style = static_cast<Interpolate::Style>(input.within(-1, 7));
    auto const undersample = static_cast<UndersampleStyle>(input.within(0, 2));
    auto const nx = static_cast<int>(input.within(-1, 40)), ny = static_cast<int>(input.within(-1, 40));
    return {style, nx, ny, undersample, sctrl, input.property(), actrl};
}

void evaluate(fuzz::Input& input, Background& background) {
    auto const& box = background.getImageBBox();
    if (input.flag()) {
        auto const grid = background.statsImage();
        auto const edits = input.within(0, 20);
        for (std::int64_t i = 0; i < edits; ++i) {
            grid.image(input.within(0, grid.width() - 1), input.within(0, grid.height() - 1)) =
                    static_cast<float>(input.number());
        }
        background += static_cast<float>(input.number());
    }
    auto const threads = static_cast<int>(input.within(0, 3));
    std::vector<float> whole(static_cast<std::size_t>(box.width * box.height), -1.0F);
    auto again = whole;
    ImageView<float> const image(whole.data(), box.width, box.height);
    fuzz::answered([&] {
        background.getImage(image, box, 1);
        background.getImage(ImageView<float>(again.data(), box.width, box.height), box, threads);
        for (std::size_t i = 0; i < whole.size(); ++i) {
            fuzz::require(fuzz::same(static_cast<double>(whole[i]), static_cast<double>(again[i])),
                          "threads do not matter");
        }
        auto const x = input.within(0, box.width - 1), y = input.within(0, box.height - 1);
        auto const width = input.within(1, box.width - x), height = input.within(1, box.height - y);
        std::vector<float> part(static_cast<std::size_t>(width * height));
        background.getImage(ImageView<float>(part.data(), width, height), Box{box.x0 + x, box.y0 + y, width, height});
        for (std::int64_t j = 0; j < height; ++j) {
            for (std::int64_t i = 0; i < width; ++i) {
                auto const a = static_cast<double>(part[static_cast<std::size_t>(j * width + i)]);
                auto const b = static_cast<double>(image(x + i, y + j));
                fuzz::require(fuzz::same(a, b), "a part equals the whole");
            }
        }
    });
    auto const style = static_cast<Interpolate::Style>(input.within(-1, 7));
    auto const undersample = static_cast<UndersampleStyle>(input.within(0, 2));
    Box const anywhere{input.integer(), input.integer(), input.within(0, 5), input.within(0, 5)};
    std::vector<double> out(25);
    fuzz::answered([&] {
        background.getImage(ImageView<double>(out.data(), anywhere.width, anywhere.height), anywhere, style,
                            undersample);
    });
    fuzz::answered([&] {
        (void)background.getApproximate(
                ApproximateControl(ApproximateControl::CHEBYSHEV,
                                   static_cast<int>(input.flag() ? input.within(-1, 12) : input.within(1000, 60000))));
    });
}

template <typename T>
void run(fuzz::Input& input) {
    fuzz::answered([&] {
        auto const control = makeControl(input);
        auto const x0 = input.integer(), y0 = input.integer();
        fuzz::Exposure<T> exposure(input);
        Background background(exposure.view(), x0, y0, control, static_cast<int>(input.within(0, 2)));
        evaluate(input, background);
    });
}

void rebuilt(fuzz::Input& input) {
    fuzz::answered([&] {
        auto const control = makeControl(input);
        fuzz::Exposure<float> grid(input, {input.within(1, 20), input.within(1, 20)});
        Box const box{input.integer(), input.integer(), input.within(-1, 200), input.within(-1, 200)};
        Background background(box, grid.view(), control);
        evaluate(input, background);
    });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
    fuzz::Input input(data, size);
    switch (input.take<std::uint8_t>() % 8) {
        case 0: run<double>(input); break;
        case 1: run<std::int32_t>(input); break;
        case 2: run<std::uint16_t>(input); break;
        case 3: rebuilt(input); break;
        default: run<float>(input); break;
    }
    return 0;
}
