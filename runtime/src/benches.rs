//! What can be measured on this runtime: the pallets of this project, and some of FRAME's, which bring
//! the weights of their authors, so that a machine can be compared with that on which those were
//! measured (`scripts/weights`).

frame_benchmarking::define_benchmarks!(
    [pallet_announcements, Announcements]
    [pallet_balances, Balances]
    [pallet_channels, Channels]
    [pallet_deposits, Deposits]
    [pallet_dpos, Dpos]
    [pallet_equivocation, Equivocation]
    [pallet_mined_identity, MinedIdentity]
    [pallet_multisig, Multisig]
    [pallet_proxy, Proxy]
);
