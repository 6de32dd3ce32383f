//! Edge: Open Inference Protocol v2, as a server for local models and as a client of others.
