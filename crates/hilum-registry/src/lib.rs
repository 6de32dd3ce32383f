//! Core: model package manifest, its checks, deployments and the lifecycle state machine.
