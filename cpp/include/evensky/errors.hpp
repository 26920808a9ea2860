#pragma once

/// @file
/// Exceptions of the library, one type per kind of failure. Every message holds the offending value and what is
/// allowed.

#include <stdexcept>
#include <string>

#include "evensky/export.hpp"

namespace evensky {

/// Base class of all exceptions of the library.
class EVENSKY_EXPORT Error : public std::runtime_error {
public:
    /// @param message  description of the error, with the offending value and what is allowed
    explicit Error(std::string const& message) : std::runtime_error(message) {}
    ~Error() override;
};

/// Argument whose value is not allowed.
class EVENSKY_EXPORT InvalidParameterError : public Error {
public:
    using Error::Error;  ///< From a message.
    ~InvalidParameterError() override;
};

/// Mismatch of sizes or regions.
class EVENSKY_EXPORT LengthError : public Error {
public:
    using Error::Error;  ///< From a message.
    ~LengthError() override;
};

/// Position or number of points outside the allowed range.
class EVENSKY_EXPORT OutOfRangeError : public Error {
public:
    using Error::Error;  ///< From a message.
    ~OutOfRangeError() override;
};

/// Unknown name.
class EVENSKY_EXPORT NotFoundError : public InvalidParameterError {
public:
    using InvalidParameterError::InvalidParameterError;  ///< From a message.
    ~NotFoundError() override;
};

/// Failure on valid arguments: the data do not allow a result.
class EVENSKY_EXPORT RuntimeError : public Error {
public:
    using Error::Error;  ///< From a message.
    ~RuntimeError() override;
};

}  // namespace evensky
