//! The command line: what it prints, how it ends, and what it refuses.

mod check;
pub(crate) mod check_meta;
mod data_folder;
mod environment;
mod idle;
mod logs;
mod migrate;
mod sqlite_file;
mod start;
mod stop;
mod usage;
