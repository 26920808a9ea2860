#pragma once

/// @file
/// All public headers of the library.

#include "evensky/approximate.hpp"
#include "evensky/background.hpp"
#include "evensky/background_mesh.hpp"
#include "evensky/bin_image.hpp"
#include "evensky/box.hpp"
#include "evensky/chebyshev.hpp"
#include "evensky/clipped_stats.hpp"
#include "evensky/combine.hpp"
#include "evensky/differences.hpp"
#include "evensky/errors.hpp"
#include "evensky/export.hpp"
#include "evensky/interpolate.hpp"
#include "evensky/pair.hpp"
#include "evensky/parallel.hpp"
#include "evensky/properties.hpp"
#include "evensky/sampling.hpp"
#include "evensky/simd.hpp"
#include "evensky/stack.hpp"
#include "evensky/statistics.hpp"
#include "evensky/stored.hpp"
#include "evensky/stored_planes.hpp"
#include "evensky/version.hpp"
#include "evensky/view.hpp"
