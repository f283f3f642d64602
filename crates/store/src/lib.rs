//! From a plugin's location to verified bytes on disk
