#include "simd_avx2.hpp"
// The kernels, compiled with the functions of the header above.
#include "body.hpp"

namespace evensky::detail {

Kernels const& avx2Kernels() noexcept {
    static constexpr Kernels all = make("avx2");
    return all;
}

}  // namespace evensky::detail
