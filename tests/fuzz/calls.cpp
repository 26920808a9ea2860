// Fuzz target: sequences of calls of the whole public interface, with usual, extreme and inconsistent arguments. What a
// call makes is an argument of later calls. Each call returns, or throws an error of the library.

#include <memory>
#include <utility>

#include "control.hpp"
#include "evensky/evensky.hpp"
#include "input.hpp"

using namespace evensky;

namespace {

// A sequence of calls, and the objects that it has made.
class Session {
public:
    explicit Session(fuzz::Input& input) : _input(input) {
        auto const size = side();
        for (int i = 0; i < 2; ++i) {
            _floats.emplace_back(input, i == 0 ? size : side(), i == 0 ? size : side());
            _doubles.emplace_back(input, i == 0 ? size : side(), i == 0 ? size : side());
        }
        _shorts.emplace_back(input, size, size);
        _ints.emplace_back(input, size, size);
        _longs.emplace_back(input, size, size);
        _masks.emplace_back(input, size, size);
        _variances.emplace_back(input, size, size);
    }

    void call() {
        fuzz::answered([&] {
            switch (_input.take<std::uint8_t>() % 24) {
                case 0: return boxes();
                case 1: return bins();
                case 2: return statistics<float>();
                case 3: return statistics<double>();
                case 4: return statistics<std::int32_t>();
                case 5: return statistics<std::uint16_t>();
                case 6: return statistics<std::uint64_t>();
                case 7: return results();
                case 8: return interpolants();
                case 9: return measure<float>();
                case 10: return measure<double>();
                case 11: return rebuild();
                case 12: return evaluate<float>();
                case 13: return evaluate<double>();
                case 14: return approximations();
                case 15: return stack<float>();
                case 16: return stack<double>();
                case 17: return bin<float>();
                case 18: return _input.flag() ? bin<double>() : bin<std::int32_t>();
                case 19: return sample<float>();
                case 20: return sample<double>();
                case 21: return pair<float>();
                case 22: return pair<double>();
                default: return names();
            }
        });
    }

private:
    std::ptrdiff_t side() { return _input.within(1, 40); }
    int anyInt() { return static_cast<int>(_input.flag() ? _input.within(-2, 12) : _input.integer()); }
    int threads() { return static_cast<int>(_input.within(-1, 3)); }
    std::int64_t coordinate() { return _input.flag() ? _input.within(-3, 45) : _input.integer(); }
    Box box() {
        auto const x0 = coordinate(), y0 = coordinate();
        return {x0, y0, coordinate(), coordinate()};
    }

    template <typename T>
    std::vector<fuzz::Plane<T>>& planes() {
        if constexpr (std::is_same_v<T, float>) {
            return _floats;
        } else if constexpr (std::is_same_v<T, double>) {
            return _doubles;
        } else if constexpr (std::is_same_v<T, std::int32_t>) {
            return _ints;
        } else if constexpr (std::is_same_v<T, std::uint16_t>) {
            return _shorts;
        } else {
            return _longs;
        }
    }

    // Return a view of one of some planes: all of it, a part, one row or column with any stride, or a size that cannot
    // be read: negative, without memory, or with too many pixels.
    template <typename T>
    ImageView<T> view(std::vector<fuzz::Plane<T>>& planes) {
        auto const all = planes[static_cast<std::size_t>(_input.within(0, 1)) % planes.size()].writable();
        switch (_input.take<std::uint8_t>() % 16) {
            case 0: return all.subview(box());
            case 1: {
                auto const x = _input.within(0, all.width() - 1), y = _input.within(0, all.height() - 1);
                return all.subview({x, y, _input.within(0, all.width() - x), _input.within(0, all.height() - y)});
            }
            case 2: return {};
            case 3: return {nullptr, coordinate(), coordinate()};
            case 4: return {all.data(), -_input.within(0, 9), all.height(), _input.integer(), _input.integer()};
            case 5: return {all.data(), all.width(), -std::abs(_input.integer() / 2), all.strideX(), all.strideY()};
            case 6: return {all.data(), std::int64_t{1} << 33, std::int64_t{1} << 31, 0, 0};
            case 7: return {all.data(), all.width(), 1, all.strideX(), _input.integer()};
            case 8: return {all.data(), 1, all.height(), _input.integer(), all.strideY()};
            default: return all;
        }
    }
    // Return a part of an output. Threads write rows at the same time, so that its pixels must be apart in memory.
    template <typename T>
    static ImageView<T> part(ImageView<T> const& out, Box const& box) {
        return out.strideX() == 0 ? out : out.subview(box);
    }
    template <typename T>
    MaskedImageView<T> exposure() {
        MaskedImageView<T> result(view(planes<T>()));
        if (_input.flag()) result.mask = view(_masks);
        if (_input.flag()) result.variance = view(_variances);
        return result;
    }
    template <typename T>
    MaskedImageView<T const> input() {
        return exposure<T>();
    }

    std::vector<double> numbers(std::int64_t most) {
        std::vector<double> result(static_cast<std::size_t>(_input.within(0, most)));
        double last = _input.number();
        bool const ascending = _input.flag();
        for (auto& value : result) {
            last = ascending ? last + 0.5 + static_cast<double>(_input.take<std::uint8_t>()) : _input.number();
            value = last;
        }
        return result;
    }
    Interpolate::Style style() { return static_cast<Interpolate::Style>(_input.within(-2, 8)); }
    UndersampleStyle undersample() { return static_cast<UndersampleStyle>(_input.within(-1, 3)); }
    std::shared_ptr<ApproximateControl> approximateControl() {
        auto const order = static_cast<int>(_input.flag() ? _input.within(-1, 5) : _input.within(3000, 1 << 30));
        auto const control = std::make_shared<ApproximateControl>(
                static_cast<ApproximateControl::Style>(_input.within(-1, 1)), order, _input.flag() ? -1 : anyInt());
        if (_input.flag()) control->setOrderY(anyInt());
        if (_input.flag()) control->setWeightPower(anyInt());
        control->setWeighting(_input.flag());
        return control;
    }
    BackgroundControl backgroundControl() {
        auto const sctrl = std::make_shared<StatisticsControl>(fuzz::makeControl(_input));
        auto const actrl = _input.flag() ? approximateControl() : nullptr;
        return {style(), anyInt(), anyInt(), undersample(), sctrl, _input.property(), actrl};
    }

    void boxes() {
        auto const one = box(), other = box();
        fuzz::require(one.contains(one), "a box contains itself");
        if (one.contains(other) && other.contains(one) && !one.isEmpty())
            fuzz::require(one == other, "boxes are equal");
        fuzz::require(!one.toString().empty() && one.isRepresentable() == Box(one).isRepresentable(),
                      "a box has a name");
        (void)view(_floats).subview(other);
    }

    void bins() {
        auto const size = coordinate();
        if (_input.flag()) {
            auto const count = anyInt();
            if (count > 1'000'000 && size >= count) return;  // this would need much memory
            auto const grid = BinGrid::evenly(size, count);
            fuzz::require(grid.edges.back() == size && grid.edges.size() == grid.centers.size() + 1, "bins cover all");
            return;
        }
        auto const binSize = coordinate();
        if (binSize > 0 && size / binSize > 1'000'000 && size / binSize < std::int64_t{1} << 31) return;
        auto const grid = BinGrid::steps(size, binSize);
        fuzz::require(grid.edges.back() == std::max<std::int64_t>(size, 0), "bins cover all");
        for (std::size_t i = 1; i < grid.edges.size(); ++i) {
            fuzz::require(grid.edges[i] > grid.edges[i - 1] && grid.edges[i] - grid.edges[i - 1] <= binSize,
                          "bins have the size that was asked for");
        }
    }

    template <typename T>
    void statistics() {
        auto const control = fuzz::makeControl(_input);
        auto const flags = _input.flag() ? allProperties : _input.take<std::int32_t>();
        auto const image = input<T>();
        if (_input.flag()) {
            _statistics = makeStatistics<T>(image, view(_floats), flags, control, threads());
        } else {
            _statistics = makeStatistics<T>(image, flags, control, threads());
        }
    }

    void results() {
        if (_input.flag()) _statistics = makeMaskStatistics(view(_masks), anyInt(), threads());
        (void)_statistics.getOrMask();
        auto const property = _input.flag() ? _input.property() : static_cast<Property>(_input.take<std::int32_t>());
        auto const [value, error] = _statistics.getResult(property);
        fuzz::require(fuzz::same(value, _statistics.getValue(property)), "a value is its own");
        fuzz::require(!(error < 0.0), "an error is not negative");
    }

    void interpolants() {
        if (_input.flag() || !_interpolate) {
            auto const x = numbers(12);
            auto y = numbers(12);
            if (_input.flag()) y.resize(x.size());
            _interpolate = std::make_unique<Interpolate>(x, y, style());
        }
        auto const at = numbers(12);
        std::vector<double> out(at.size());
        _interpolate->interpolate(at.data(), at.size(), out.data());
        for (std::size_t i = 0; i < at.size(); ++i) {
            fuzz::require(fuzz::same(out[i], _interpolate->interpolate(at[i])), "one position is like many");
        }
        std::vector<float> row(static_cast<std::size_t>(_input.within(0, 40)));
        auto const start = _input.flag() ? _input.number() : static_cast<double>(coordinate());
        _interpolate->interpolateRow(start, row.size(), row.data());
        std::vector<double> wide(row.size());
        _interpolate->interpolateRow(start, wide.size(), wide.data());
    }

    template <typename T>
    void measure() {
        auto const x0 = coordinate(), y0 = coordinate();
        _background = std::make_unique<Background>(input<T>(), x0, y0, backgroundControl(), threads());
    }

    void rebuild() {
        auto const grid = input<float>();
        _background = _input.flag() ? std::make_unique<Background>(box(), grid)
                                    : std::make_unique<Background>(box(), grid, backgroundControl());
    }

    Box boxNear(Box const& all) {
        if (_input.flag()) return box();
        auto const width = std::min<std::int64_t>(all.width, 40), height = std::min<std::int64_t>(all.height, 40);
        return {all.x0 + _input.within(0, all.width - width < 9 ? all.width - width : 9), all.y0, width, height};
    }

    template <typename T>
    void evaluate() {
        if (!_background) return;
        auto const& all = _background->getImageBBox();
        auto const out = view(planes<T>());
        auto where = boxNear(all);
        if (_input.flag()) {
            where.width = std::min(where.width, out.width());
            where.height = std::min(where.height, out.height());
        }
        auto const to = _input.flag() ? out : part(out, {0, 0, where.width, where.height});
        switch (_input.take<std::uint8_t>() % 4) {
            case 0: _background->getImage(to, where, style(), undersample(), threads()); break;
            case 1: _background->getImage(to, where, backgroundControl(), threads()); break;
            case 2: *_background += static_cast<float>(_input.number()); break;
            default: _background->getImage(to, where, threads()); break;
        }
        fuzz::require(_background->getBinCentersX().size() ==
                              static_cast<std::size_t>(std::as_const(*_background).statsImage().width()),
                      "each column of bins has a centre");
    }

    void approximations() {
        auto const control = approximateControl();
        switch (_input.take<std::uint8_t>() % 4) {
            case 0:
                if (_background) _approximate = std::make_unique<Approximate>(_background->getApproximate(*control));
                break;
            case 1: {
                auto x = numbers(40), y = numbers(40);
                auto const grid = input<float>();
                if (_input.flag()) {
                    x.resize(static_cast<std::size_t>(std::clamp<std::int64_t>(grid.width(), 0, 50)), 1.0);
                    y.resize(static_cast<std::size_t>(std::clamp<std::int64_t>(grid.height(), 0, 50)), 1.0);
                }
                _approximate = std::make_unique<Approximate>(x, y, grid, box(), *control);
                break;
            }
            case 2: {
                auto const terms = static_cast<std::size_t>(_input.within(0, 6));
                auto const values = numbers(40);
                std::vector<double> coefficients(terms, 1.0), covariance(terms * terms, 0.5);
                if (!values.empty() && terms > 0) coefficients[0] = values[0];
                _approximate = std::make_unique<Approximate>(box(), *control, coefficients, covariance);
                break;
            }
            default: break;
        }
        if (!_approximate) return;
        (void)_approximate->evaluate(_input.number(), _input.number());
        auto const where = boxNear(_approximate->getBBox());
        if (_input.flag()) {
            auto const out = view(_floats);
            _approximate->getVariance(_input.flag() ? out : part(out, {0, 0, where.width, where.height}), where,
                                      anyInt(), anyInt(), threads());
        } else {
            auto const out = view(_doubles);
            _approximate->getImage(_input.flag() ? out : part(out, {0, 0, where.width, where.height}), where, anyInt(),
                                   anyInt(), threads());
        }
    }

    template <typename T>
    void stack() {
        auto const control = fuzz::makeControl(_input);
        std::vector<MaskedImageView<T const>> images;
        auto const n = _input.within(0, 5);
        auto const all = input<T>();
        for (std::int64_t i = 0; i < n; ++i) images.push_back(_input.flag() ? all : input<T>());
        std::vector<WeightPixel> weights(static_cast<std::size_t>(_input.within(0, n)), _input.pixel<WeightPixel>());
        auto const flags = _input.flag() ? static_cast<int>(_input.property()) : anyInt();
        auto const out = exposure<T>();
        if (_input.flag()) {
            StackBits const bits{_input.take<MaskPixel>(), {{_input.take<MaskPixel>(), _input.take<MaskPixel>()}}};
            statisticsStack<T>(out, images, flags, control, weights, bits, threads());
        } else {
            statisticsStack<T>(out, all, flags, _input.flag() ? StackAxis::X : StackAxis::Y, control, threads());
        }
    }

    template <typename T>
    void bin() {
        std::optional<BinExclusion> exclusion;
        if (_input.flag()) exclusion = BinExclusion{_input.take<MaskPixel>(), _input.take<MaskPixel>()};
        auto const image = input<T>();
        auto const binX = coordinate(), binY = coordinate();
        auto out = exposure<T>();
        if (_input.flag() && binX > 0 && binY > 0) {
            Box const size{0, 0, image.width() / binX, image.height() / binY};
            out = {part(out.image, size), part(out.mask, size), part(out.variance, size)};
        }
        binImage<T>(out, image, binX, binY, exclusion, threads());
    }

    template <typename T>
    void sample() {
        auto const image = input<T>();
        SamplingMap const map{view(_doubles), view(_doubles), coordinate()};
        auto const scale = _input.number();
        auto const out = view(planes<T>());
        sample_nearest<T>(image, map, scale, _input.take<MaskPixel>(), out, coordinate(), coordinate(), threads());
    }

    template <typename T>
    void pair() {
        PairOptions options;
        options.usePolynomial = _input.flag();
        options.order = static_cast<int>(_input.flag() ? _input.within(-1, 5) : _input.within(10'000, 1 << 30));
        options.referenceBadMask = _input.take<MaskPixel>();
        options.gridStatistic = _input.flag() ? MEANCLIP : _input.property();
        options.undersampleStyle = undersample();
        options.binSize = coordinate();
        options.interpStyle = style();
        if (_input.flag()) options.numSigmaClip = _input.number();
        if (_input.flag()) options.numIter = anyInt();
        if (_input.flag()) options.leastHalfWidth = _input.number();
        options.approxWeightPower = anyInt();
        auto const reference = input<T>(), science = _input.flag() ? reference : input<T>();
        std::vector<std::int64_t> const x{coordinate(), coordinate(), coordinate()}, y{0, coordinate()};
        switch (_input.take<std::uint8_t>() % 3) {
            case 0: (void)bin_differences<T>(reference, science, x, y, options, threads()); break;
            case 1: {
                std::vector<double> const lows(static_cast<std::size_t>(_input.within(0, 3)), _input.number());
                (void)sum_differences<T>(reference, science, x, y, lows, lows, options, threads());
                break;
            }
            default: {
                auto const out = view(planes<T>());
                auto const x0 = coordinate(), y0 = coordinate();
                auto const result = matchBackgrounds<T>(reference, science, out, x0, y0, options, threads());
                fuzz::require(!(result.goodFraction < 0.0) && result.goodFraction <= 1.0, "a fraction is a fraction");
                break;
            }
        }
    }

    void names() {
        setNumThreads(anyInt() > 1 ? 2 : 1);
        (void)lookupMaxInterpStyle(anyInt());
        (void)lookupMinInterpPoints(style());
        (void)interpStyleToString(style());
        (void)statisticsPropertyToString(_input.flag() ? _input.property() : static_cast<Property>(anyInt()));
        std::string name(static_cast<std::size_t>(_input.within(0, 9)), static_cast<char>(_input.take<std::uint8_t>()));
        (void)stringToInterpStyle(name);
        (void)stringToStatisticsProperty(name);
    }

    fuzz::Input& _input;
    std::vector<fuzz::Plane<float>> _floats;
    std::vector<fuzz::Plane<double>> _doubles;
    std::vector<fuzz::Plane<std::uint16_t>> _shorts;
    std::vector<fuzz::Plane<std::int32_t>> _ints;
    std::vector<fuzz::Plane<std::uint64_t>> _longs;
    std::vector<fuzz::Plane<MaskPixel>> _masks;
    std::vector<fuzz::Plane<VariancePixel>> _variances;
    Statistics _statistics;
    std::unique_ptr<Interpolate> _interpolate;
    std::unique_ptr<Background> _background;
    std::unique_ptr<Approximate> _approximate;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
    fuzz::Input input(data, size);
    Session session(input);
    for (int calls = 0; calls < 64 && !input.empty(); ++calls) session.call();
    return 0;
}
