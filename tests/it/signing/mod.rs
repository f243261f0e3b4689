//! Signatures, held against the real `ssh-keygen`: what we sign it verifies, what it signs counts here, and what it
//! refuses counts nowhere.

mod bench;

mod certificates;
mod keys;
mod options;
