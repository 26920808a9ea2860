#include "evensky/errors.hpp"

namespace evensky {

// Out of line, so that each type has one home for its type information: an exception thrown in the shared library
// is then caught by type in every program and extension that links it.
Error::~Error() = default;
InvalidParameterError::~InvalidParameterError() = default;
LengthError::~LengthError() = default;
OutOfRangeError::~OutOfRangeError() = default;
NotFoundError::~NotFoundError() = default;
RuntimeError::~RuntimeError() = default;

}  // namespace evensky
