#pragma once

/// @file
/// Table of statistics, from which all lists of them are made.

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "evensky/export.hpp"

/// One row for each property: `X(name, bit, group, description, quantiles...)`. The enumeration Property, its names,
/// the Python bindings, the command line's choices and the lists of tests and fuzzers come from these rows. The groups
/// are those of evensky::PropertyGroup; the quantiles are the fractions at which a property needs the sorted good
/// pixels, up to four in any order. An ORDER row of one quantile needs nothing else; any other row also needs its
/// computation, in StatisticsBuilder::valueOf. Bits below
/// 2^24 are those of `lsst.afw.math.Property`, or are left for it; evensky's own statistics begin at 2^24.
#define EVENSKY_PROPERTIES(X)                                                                                         \
    X(ERRORS, 0x1, REQUEST,                                                                                           \
      "also compute the standard error of each property; MAD and quantiles but the median have none (NaN), and the "  \
      "errors of counts, sums and extremes are 0")                                                                    \
    X(NPOINT, 0x2, COUNT, "number of good pixels")                                                                    \
    X(MEAN, 0x4, MOMENT, "(weighted) mean")                                                                           \
    X(STDEV, 0x8, MOMENT, "square root of VARIANCE")                                                                  \
    X(VARIANCE, 0x10, MOMENT, "unbiased sample variance")                                                             \
    X(MEDIAN, 0x20, ORDER, "median (never weighted)", 0.5)                                                            \
    X(IQRANGE, 0x40, ORDER,                                                                                           \
      "upper minus lower quartile (never weighted); that of equal integers is 0.5, as an integer v stands for the "   \
      "range from v - 0.5 to v + 0.5",                                                                                \
      0.25, 0.75)                                                                                                     \
    X(MEANCLIP, 0x80, CLIPPED,                                                                                        \
      "MEAN of the pixels that survive clipping: first about the median, by a sigma from the interquartile range, "   \
      "then about the mean, by the standard deviation of the previous round",                                         \
      0.25, 0.5, 0.75)                                                                                                \
    X(STDEVCLIP, 0x100, CLIPPED, "STDEV of the pixels that survive clipping", 0.25, 0.5, 0.75)                        \
    X(VARIANCECLIP, 0x200, CLIPPED, "VARIANCE of the pixels that survive clipping", 0.25, 0.5, 0.75)                  \
    X(MIN, 0x400, MOMENT, "smallest good pixel")                                                                      \
    X(MAX, 0x800, MOMENT, "largest good pixel")                                                                       \
    X(SUM, 0x1000, MOMENT, "(weighted) sum, with the given weights or 1 / variance; of a mask the bitwise OR")        \
    X(MEANSQUARE, 0x2000, MOMENT, "mean of the squares")                                                              \
    X(ORMASK, 0x4000, COUNT, "bitwise OR of the mask over the good pixels")                                           \
    X(NCLIPPED, 0x8000, CLIPPED, "number of good pixels that clipping removed", 0.25, 0.5, 0.75)                      \
    X(NMASKED, 0x10000, COUNT, "number of pixels that are not good")                                                  \
    X(MAD, 0x1000000, DEVIATION,                                                                                      \
      "median absolute deviation from the median, times 1.482602218505602, which makes it the standard deviation of " \
      "a normal distribution (never weighted)",                                                                       \
      0.5)

namespace evensky {

/// Way in which a property is computed.
enum class PropertyGroup {
    REQUEST,    ///< not a statistic, but an option for the others
    COUNT,      ///< known once the good pixels have been selected
    MOMENT,     ///< sums and extremes over the good pixels
    ORDER,      ///< quantiles of the good pixels
    DEVIATION,  ///< the median of the absolute deviations from the median
    CLIPPED     ///< sums over the pixels that survive clipping
};

/// @cond
#define EVENSKY_ENUMERATOR(name, bit, group, description, ...) name = bit,
/// @endcond
/// Statistics to compute; bits that may be OR-ed.
enum Property : std::int32_t {
    NOTHING = 0x0,  ///< no property
    EVENSKY_PROPERTIES(EVENSKY_ENUMERATOR)
};
#undef EVENSKY_ENUMERATOR

/// One row of the table of statistics.
struct PropertyRow {
    std::string_view name;              ///< the enumerator's name, e.g. "MEANCLIP"
    Property property = NOTHING;        ///< its value, one bit
    PropertyGroup group{};              ///< way in which it is computed
    std::string_view description;       ///< one phrase
    std::array<double, 4> fractions{};  ///< fractions at which quantiles are needed; the first `numFractions` count
    std::size_t numFractions = 0;       ///< number of quantiles

    /// Return the fractions at which this property needs quantiles of the good pixels.
    [[nodiscard]] constexpr std::span<double const> quantiles() const noexcept {
        return {fractions.data(), numFractions};
    }
};

/// @cond
namespace detail {

template <typename... Fractions>
constexpr PropertyRow propertyRow(std::string_view name, Property property, PropertyGroup group,
                                  std::string_view description, Fractions... fractions) {
    return {name, property, group, description, {fractions...}, sizeof...(fractions)};
}

}  // namespace detail

#define EVENSKY_ROW(name, bit, group, ...) detail::propertyRow(#name, name, PropertyGroup::group, __VA_ARGS__),
/// @endcond
/// Table of statistics, in the order of their bits. NOTHING has no row.
inline constexpr std::array propertyTable{EVENSKY_PROPERTIES(EVENSKY_ROW)};
#undef EVENSKY_ROW

/// Return all properties of a group, OR-ed.
[[nodiscard]] constexpr int propertiesOf(PropertyGroup group) noexcept {
    int flags = NOTHING;
    for (auto const& row : propertyTable) {
        if (row.group == group) flags |= row.property;
    }
    return flags;
}

/// All properties and ERRORS, OR-ed.
inline constexpr int allProperties = [] {
    int flags = NOTHING;
    for (auto const& row : propertyTable) flags |= row.property;
    return flags;
}();

static_assert(
        [] {
            int before = 0;
            for (auto const& row : propertyTable) {
                if (row.property <= before || !std::has_single_bit(static_cast<std::uint32_t>(row.property)))
                    return false;
                for (double const f : row.quantiles()) {
                    if (!(f >= 0.0 && f <= 1.0)) return false;
                }
                before = row.property;
            }
            return true;
        }(),
        "Rows of EVENSKY_PROPERTIES ascend, have one bit each, and quantiles between 0 and 1");

/// Return the property with a given name, e.g. "MEANCLIP".
/// @throws NotFoundError if the name is unknown; the message lists the known ones
[[nodiscard]] EVENSKY_EXPORT Property stringToStatisticsProperty(std::string const& property);

/// Return the name of one property. @throws InvalidParameterError if the value is not exactly one property
[[nodiscard]] EVENSKY_EXPORT std::string statisticsPropertyToString(Property property);

}  // namespace evensky
