#include "kernels.hpp"

#include <cstdlib>
#include <string_view>

#include "evensky/simd.hpp"

namespace evensky {

namespace detail {

Kernels const& portableKernels() noexcept;
#ifdef EVENSKY_AVX2_KERNELS
Kernels const& avx2Kernels() noexcept;
#endif
#ifdef EVENSKY_AVX512_KERNELS
Kernels const& avx512Kernels() noexcept;
#endif

namespace {

Kernels const& choose() noexcept {
    // The environment is read once, before the library starts threads.
    char const* const asked = std::getenv("EVENSKY_SIMD");
    [[maybe_unused]] std::string_view const most = asked == nullptr ? "avx512" : asked;
#ifdef EVENSKY_AVX512_KERNELS
    __builtin_cpu_init();
    bool const avx512 = __builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512dq") != 0 &&
                        __builtin_cpu_supports("avx512vl") != 0 && __builtin_cpu_supports("avx512bw") != 0;
    if (avx512 && most == "avx512") return avx512Kernels();
#endif
#ifdef EVENSKY_AVX2_KERNELS
    __builtin_cpu_init();
    bool const avx2 = __builtin_cpu_supports("avx2") != 0;
    if (avx2 && (most == "avx512" || most == "avx2")) return avx2Kernels();
#endif
    return portableKernels();
}

}  // namespace

Kernels const& kernels() noexcept {
    static Kernels const& chosen = choose();
    return chosen;
}

}  // namespace detail

char const* simdLevel() noexcept { return detail::kernels().name; }

}  // namespace evensky
