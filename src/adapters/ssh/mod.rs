//! Reaches hosts over SSH.
