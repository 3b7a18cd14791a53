//! Claims about both machines together. What one of them does with hostile input is in
//! [`hostile`]; what holds whatever happens is in [`properties`].

mod hostile;
mod lease;
mod meeting;
mod pair;
mod properties;
mod setups;
