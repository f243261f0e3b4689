//! The one integration binary: everything here sees the crate from outside.

#[cfg(test)]
mod architecture;
#[cfg(test)]
mod audit;
#[cfg(test)]
mod demo;
#[cfg(test)]
mod generated;
#[cfg(test)]
mod lab;
#[cfg(test)]
mod notify;
#[cfg(test)]
mod plans;
#[cfg(test)]
mod signing;
#[cfg(test)]
mod ssh;
#[cfg(test)]
mod ui;
