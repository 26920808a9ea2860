#pragma once

/// @file
/// Marks what the shared library exports; everything else is hidden.

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
