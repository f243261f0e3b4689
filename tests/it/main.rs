//! The one integration binary: everything here sees the crate from outside.

mod demo;
mod lab;
mod ssh;
mod ui;
