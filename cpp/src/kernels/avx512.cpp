#include "simd_avx512.hpp"
// The kernels in terms of the above.
#include "body.hpp"

namespace evensky::detail {

Kernels const& avx512Kernels() noexcept {
    static constexpr Kernels all = make("avx512");
    return all;
}

}  // namespace evensky::detail
