#pragma once

/// @file
/// Marks what the shared library exports; everything else is hidden.

/// @def EVENSKY_EXPORT
/// Before a class or function that users of the library may name. Empty where EVENSKY_STATIC is defined, as the CMake
/// target and the pkg-config file of a static library do.

#if defined(EVENSKY_STATIC)
#define EVENSKY_EXPORT
#elif defined(_WIN32)
#if defined(EVENSKY_BUILDING)
#define EVENSKY_EXPORT __declspec(dllexport)
#else
#define EVENSKY_EXPORT __declspec(dllimport)
#endif
#else
#define EVENSKY_EXPORT __attribute__((visibility("default")))
#endif
