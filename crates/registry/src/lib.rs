//! Which plugins are wanted and which are serving
