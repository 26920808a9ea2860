#pragma once

/// @file
/// One exception type per kind of failure. Every message holds the offending value and what is allowed.

#include <stdexcept>
#include <string>

#include "evensky/export.hpp"

namespace evensky {

/// Base class of everything the library throws on purpose.
class EVENSKY_EXPORT Error : public std::runtime_error {
public:
    /// @param message  what is wrong, with the value, and what is allowed
    explicit Error(std::string const& message) : std::runtime_error(message) {}
    ~Error() override;
};

/// An argument has a value that is not allowed.
class EVENSKY_EXPORT InvalidParameterError : public Error {
public:
    using Error::Error;  ///< From a message.
    ~InvalidParameterError() override;
};

/// A size or a region does not fit.
class EVENSKY_EXPORT LengthError : public Error {
public:
    using Error::Error;  ///< From a message.
    ~LengthError() override;
};

/// A position or a number of points is outside what is allowed.
class EVENSKY_EXPORT OutOfRangeError : public Error {
public:
    using Error::Error;  ///< From a message.
    ~OutOfRangeError() override;
};

/// A name does not exist.
class EVENSKY_EXPORT NotFoundError : public InvalidParameterError {
public:
    using InvalidParameterError::InvalidParameterError;  ///< From a message.
    ~NotFoundError() override;
};

/// The arguments were right, but the data do not allow a result.
class EVENSKY_EXPORT RuntimeError : public Error {
public:
    using Error::Error;  ///< From a message.
    ~RuntimeError() override;
};

}  // namespace evensky
