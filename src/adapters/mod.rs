//! The outside world, port by port.
