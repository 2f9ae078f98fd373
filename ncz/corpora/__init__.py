"""Named test data, and the benchmark that runs ncz beside its peers on it."""
