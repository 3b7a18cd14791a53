//! What is done to the state when a chain begins to run this version of the program.
//!
//! A pallet whose storage changes its layout raises its `STORAGE_VERSION` and gets a migration here,
//! in a file of its own below `migrations/`: a
//! [`frame_support::migrations::VersionedMigration`] from the old version to the new one, which
//! runs once and only on a chain that has the old one. It is tested with a state of the old layout
//! (`try-runtime` has hooks before and after it), added to [`Migrations`] in the order in which
//! they must run, and `spec_version` is raised. It may go when no chain has the old version any more.
//! What does not fit into one block is a case for `pallet-migrations`.
//!
//! Until the main chain has begun there is nothing to keep: layouts change without a migration, and
//! test networks begin anew.

/// Migrations to this version, in order. They run before the first block under it.
pub type Migrations = ();
