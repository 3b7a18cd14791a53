//! Claims about both machines together. What one of them does with hostile input is in
//! [`hostile`]; what holds whatever happens is in [`properties`], and in [`model`] for every
//! order in which it can happen.

mod amending;
mod bargaining;
pub(crate) mod generators;
mod hostile;
mod lease;
mod meeting;
mod model;
mod pair;
mod properties;
pub(crate) mod setups;
mod volumes;
