//! The wire types of the model runner.
