#pragma once

/// @file
/// Macro that marks the symbols that the shared library exports; all others are hidden.

/// @def EVENSKY_EXPORT
/// Attribute of the public classes and functions. It is empty if EVENSKY_STATIC is defined, which the CMake target and
/// the pkg-config file of a static library do.

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
