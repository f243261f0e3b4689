//! The one integration binary: everything here sees the crate from outside.

mod architecture;
mod demo;
mod generated;
mod ssh;
mod ui;
