//! The coin as chain specifications and wallets name it. The build script reads this file too: both are
//! part of the metadata whose hash the runtime carries.

/// Symbol of the coin.
pub const TOKEN_SYMBOL: &str = "XEN";

/// Digits after its point.
pub const TOKEN_DECIMALS: u8 = 12;
