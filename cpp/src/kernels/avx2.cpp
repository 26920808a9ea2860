#include "simd_avx2.hpp"
// The kernels in terms of the above.
#include "body.hpp"

namespace evensky::detail {

Kernels const& avx2Kernels() noexcept {
    static constexpr Kernels all = make("avx2");
    return all;
}

}  // namespace evensky::detail
