#pragma once

namespace evensky::detail {

// Throws InvalidParameterError for a number of threads that is negative.
void checkThreads(int num_threads);

}  // namespace evensky::detail
