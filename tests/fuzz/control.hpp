#pragma once

// Controls of statistics, made from the bytes of a fuzz target's input.

#include <cstdint>

#include "evensky/statistics.hpp"
#include "input.hpp"

namespace fuzz {

inline evensky::StatisticsControl makeControl(Input& input) {
    evensky::StatisticsControl control;
    control.setAndMask(input.take<evensky::MaskPixel>());
    control.setNanSafe(!input.flag());
    if (input.flag()) control.setWeighted(input.flag());
    control.setCalcErrorFromInputVariance(input.flag());
    control.setCalcErrorMosaicMode(input.flag());
    if (input.flag()) answered([&] { control.setNumSigmaClip(input.number()); });
    if (input.flag()) answered([&] { control.setNumIter(input.take<std::int32_t>()); });
    if (input.flag()) {
        answered([&] { control.setMaskPropagationThreshold(static_cast<int>(input.within(-1, 32)), input.number()); });
    }
    return control;
}

}  // namespace fuzz
