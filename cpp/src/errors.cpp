#include "evensky/errors.hpp"

namespace evensky {

// The destructors are out of line so that the type information of each class exists only once, in the shared library.
// Programs and extensions that link it can then catch its exceptions by type.
Error::~Error() = default;
InvalidParameterError::~InvalidParameterError() = default;
LengthError::~LengthError() = default;
OutOfRangeError::~OutOfRangeError() = default;
NotFoundError::~NotFoundError() = default;
RuntimeError::~RuntimeError() = default;

}  // namespace evensky
