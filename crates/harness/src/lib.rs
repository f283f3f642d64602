//! Local runs for plugin authors: dev, call, bench, inspect, new
