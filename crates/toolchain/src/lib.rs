//! Finds guest toolchains and builds a plugin's source folder into a component
