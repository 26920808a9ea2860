#include "simd_avx512.hpp"
// The kernels, compiled with the functions of the header above.
#include "body.hpp"

namespace evensky::detail {

Kernels const& avx512Kernels() noexcept {
    static constexpr Kernels all = make("avx512");
    return all;
}

}  // namespace evensky::detail
