//! Partner Center's errors.
