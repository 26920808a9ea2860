#include "simd_portable.hpp"
// The kernels in terms of the above.
#include "body.hpp"

namespace evensky::detail {

Kernels const& portableKernels() noexcept {
    static constexpr Kernels all = make("portable");
    return all;
}

}  // namespace evensky::detail
