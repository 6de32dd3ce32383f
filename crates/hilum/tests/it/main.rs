//! The whole program from outside, and the house rules.

mod acceptance;
mod black_box;
mod black_box_objects;
mod clinical;
mod crash;
mod evidence;
mod hostile;
mod many_workers;
mod oip;
mod oip_client;
mod people;
mod privacy;
mod product;
mod program;
mod recall;
mod recall_week;
mod rollout;
mod rollout_bounds;
mod rollout_limited;
mod signing;
mod site;
mod stats;
mod stats_drift;
mod tamper;
mod tidy;
mod waiver;
