#include "simd_portable.hpp"
// The kernels, compiled with the functions of the header above.
#include "body.hpp"

namespace evensky::detail {

Kernels const& portableKernels() noexcept {
    static constexpr Kernels all = make("portable");
    return all;
}

}  // namespace evensky::detail
